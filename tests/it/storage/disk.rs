//! The test's side of a disk that fails on command: `disk.c` is compiled, preloaded into the
//! process under test, and told what to do through a file that both map.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Kinds of calls, as `disk.c` has them.
pub(crate) const WRITE: u32 = 1;
pub(crate) const SYNC: u32 = 2;
pub(crate) const TRUNCATE: u32 = 4;
pub(crate) const OPEN: u32 = 8;
pub(crate) const READ: u32 = 16;
/// Everything that changes a file.
pub(crate) const CHANGE: u32 = WRITE | SYNC | TRUNCATE;

/// Errors of the disk (`errno`).
pub(crate) const NO_SPACE: u32 = 28;
pub(crate) const READ_ONLY: u32 = 30;
pub(crate) const BROKEN: u32 = 5;

/// Places in the control file.
const CALLS_AT: u64 = 0;
const FAILED_AT: u64 = 8;
const PLAN_AT: u64 = 16;
const NAME_BYTES: usize = 32;
const CONTROL_BYTES: u64 = 72;

/// A disk below one folder.
pub(crate) struct Disk {
    folder: PathBuf,
    control_path: PathBuf,
    control: File,
}

impl Disk {
    /// A sound disk under a folder that may not be there yet; its parent is.
    pub(crate) fn below(folder: &Path) -> Disk {
        let parent = folder.parent().unwrap().canonicalize().unwrap();
        let folder = parent.join(folder.file_name().unwrap());
        let control_path = parent.join("disk-control");
        let options = &mut File::options();
        let control = options.create(true).truncate(true).read(true).write(true);
        let control = control.open(&control_path).unwrap();
        control.set_len(CONTROL_BYTES).unwrap();
        Disk { folder, control_path, control }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a process needs in its environment to use this disk.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD", text(library())),
            ("DISK_CONTROL", text(&self.control_path)),
            ("DISK_FOLDER", text(&self.folder)),
        ]
    }

    /// Every such call fails until the disk is healed.
    pub(crate) fn fail(&self, kinds: u32, error: u32, name: &str) {
        self.plan(1, u64::MAX, error, kinds, name);
    }

    /// The n-th such call fails, alone or with all that follow.
    pub(crate) fn fail_at(&self, call: u64, alone: bool, kinds: u32, error: u32) {
        self.plan(call, if alone { call } else { u64::MAX }, error, kinds, "");
    }

    pub(crate) fn heal(&self) {
        self.plan(0, 0, 0, 0, "");
    }

    /// Calls counted so far.
    pub(crate) fn calls(&self) -> u64 {
        self.number(CALLS_AT)
    }

    /// How many of them failed.
    pub(crate) fn failed(&self) -> u64 {
        self.number(FAILED_AT)
    }

    fn number(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.control.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn plan(&self, first: u64, last: u64, error: u32, kinds: u32, name: &str) {
        let mut plan = Vec::new();
        plan.extend(first.to_ne_bytes());
        plan.extend(last.to_ne_bytes());
        plan.extend(error.to_ne_bytes());
        plan.extend(kinds.to_ne_bytes());
        plan.extend(name.as_bytes());
        assert!(name.len() < NAME_BYTES);
        plan.resize(CONTROL_BYTES as usize - PLAN_AT as usize, 0);
        self.control.write_all_at(&plan, PLAN_AT).unwrap();
    }
}

/// Compiles `disk.c`, once for all tests of this process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/storage/disk.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let fresh = folder.join(format!("disk-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([&fresh, &source]).arg("-ldl");
        let compiled = compiler.output().expect("the tests need a C compiler, as the build does");
        let words = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "{words}");
        // Another run of the tests may use the one that is there.
        let library = folder.join("disk.so");
        std::fs::rename(fresh, &library).unwrap();
        library
    })
}
