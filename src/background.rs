//! Threads that give way: what nobody waits for runs behind what somebody does.
//!
//! Invariant: a thread that has given way never answers a person. On other systems than Linux, where
//! priority is a matter of the process, nothing gives way.

use std::future::Future;
use std::sync::LazyLock;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

/// From 99, the most urgent, to 0: a niceness of 5, which is a third of the time of a thread that
/// competes with them. Further down, other programs of the machine would starve them.
#[cfg(target_os = "linux")]
const PRIORITY: u8 = 34;

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
    if let Err(error) = linux::give_way() {
        tracing::debug!(?error, "a background thread keeps its priority");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use thread_priority::unix::{
        NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
        thread_native_id,
    };
    use thread_priority::{Error, ThreadPriority, ThreadPriorityValue};

    /// By policy as well: a thread of this one that wakes does not interrupt another.
    pub(super) const POLICY: ThreadSchedulePolicy =
        ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);

    pub(super) fn give_way() -> Result<(), Error> {
        let priority = ThreadPriorityValue::try_from(super::PRIORITY)
            .map_err(|_| Error::Priority("a priority is from 0 to 99"))?;
        let priority = ThreadPriority::Crossplatform(priority);
        set_thread_priority_and_policy(thread_native_id(), priority, POLICY)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_runs_in_the_background_has_stepped_back() {
        let stepped_back = spawn(async {
            let niceness = rustix::process::getpriority_process(None).unwrap();
            (niceness, thread_priority::unix::thread_schedule_policy().unwrap())
        });
        assert_eq!(stepped_back.await.unwrap(), (5, linux::POLICY));
    }
}
