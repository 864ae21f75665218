/* A disk that fails on command. Preloaded into the process under test, it counts the calls that go
   to files below DISK_FOLDER and makes some of them fail, as the file DISK_CONTROL says, which the
   test writes while the process runs. `disk.rs` is the other side and has the same layout. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITE = 1, SYNC = 2, TRUNCATE = 4, OPEN = 8, READ = 16 };

struct control {
  uint64_t calls;  /* of the kinds below, counted by us */
  uint64_t failed; /* of these */
  uint64_t first;  /* the calls from here, counted from 1, */
  uint64_t last;   /* to here fail */
  uint32_t error;
  uint32_t kinds;
  char name[32]; /* of files with this in their path; empty: of all */
};

static struct control *control;
static char folder[PATH_MAX];

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("DISK_CONTROL"), *below = getenv("DISK_FOLDER");
  if (!file || !below) return;
  snprintf(folder, sizeof folder, "%s", below);
  int (*open_file)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  int fd = open_file(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared != MAP_FAILED) control = shared;
  close(fd);
}

static int path_fails(uint32_t kind, const char *path) {
  if (!control || !(control->kinds & kind)) return 0;
  if (strncmp(path, folder, strlen(folder))) return 0;
  if (control->name[0] && !strstr(path, control->name)) return 0;
  uint64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
  if (call < control->first || call > control->last) return 0;
  __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
  /* Room is never what a sync lacks. */
  errno = kind == SYNC ? EIO : (int)control->error;
  return 1;
}

static int file_fails(uint32_t kind, int fd) {
  if (!control || !(control->kinds & kind)) return 0;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return path_fails(kind, path);
}

#define REAL(type, name, ...) \
  static type (*real)(__VA_ARGS__); \
  if (!real) real = dlsym(RTLD_NEXT, #name)

#define DATA(name, kind, buffer) \
  ssize_t name(int fd, buffer bytes, size_t count) { \
    REAL(ssize_t, name, int, buffer, size_t); \
    return file_fails(kind, fd) ? -1 : real(fd, bytes, count); \
  }
#define DATA_AT(name, kind, buffer, place) \
  ssize_t name(int fd, buffer bytes, size_t count, place at) { \
    REAL(ssize_t, name, int, buffer, size_t, place); \
    return file_fails(kind, fd) ? -1 : real(fd, bytes, count, at); \
  }
#define ON_FILE(name, kind) \
  int name(int fd) { \
    REAL(int, name, int); \
    return file_fails(kind, fd) ? -1 : real(fd); \
  }
#define CUT(name, place) \
  int name(int fd, place size) { \
    REAL(int, name, int, place); \
    return file_fails(TRUNCATE, fd) ? -1 : real(fd, size); \
  }
#define OPENING(name) \
  int name(const char *path, int flags, ...) { \
    REAL(int, name, const char *, int, ...); \
    va_list rest; \
    va_start(rest, flags); \
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, int) : 0; \
    va_end(rest); \
    int to_write = (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT; \
    return to_write && path_fails(OPEN, path) ? -1 : real(path, flags, mode); \
  }

DATA(write, WRITE, const void *)
DATA_AT(pwrite, WRITE, const void *, off_t)
DATA_AT(pwrite64, WRITE, const void *, off64_t)
DATA(read, READ, void *)
DATA_AT(pread, READ, void *, off_t)
DATA_AT(pread64, READ, void *, off64_t)
ON_FILE(fsync, SYNC)
ON_FILE(fdatasync, SYNC)
CUT(ftruncate, off_t)
CUT(ftruncate64, off64_t)
OPENING(open)
OPENING(open64)

int mkdir(const char *path, mode_t mode) {
  REAL(int, mkdir, const char *, mode_t);
  return path_fails(OPEN, path) ? -1 : real(path, mode);
}
