//! Threads that give way: what nobody waits for runs behind what somebody does.
//!
//! Invariant: a thread that has given way never answers a person. On other systems than Linux, where
//! priority is a matter of the process, nothing gives way.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// How far they step back, of 19: half of the time of one that competes with them. Further down,
/// other programs of the machine would starve them.
#[cfg(target_os = "linux")]
const NICE: i32 = 3;

/// Lives as long as the process; `Err` where the system gives no more threads.
static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .thread_name("background")
        .on_thread_start(give_way)
        .enable_all()
        .build()
});

/// Where background work is spawned: the caller's own threads where there are no others.
pub fn handle() -> Handle {
    RUNTIME.as_ref().map_or_else(|_| Handle::current(), |runtime| runtime.handle().clone())
}

/// Does this in the background. Threads that it starts give way as well.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    handle().spawn(work)
}

fn give_way() {
    #[cfg(target_os = "linux")]
    // Without it everything works, and people wait a little longer.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "a background thread keeps its priority");
    }
}
