//! Jobs on threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// More threads than this no machine has a use for, and few can start.
pub(crate) const MOST_THREADS: usize = 1024;

/// How long a thread that is done waits for the others awake.
const AWAKE: Duration = Duration::from_micros(100);

/// Threads that outlive a call. Those of std's scope would not, nor what they have allocated: up to 0.2 ms a call. None where
/// they cannot start.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| ThreadPoolBuilder::new().build().ok());

/// As many threads as the machine has cores, or as the environment variable `RAYON_NUM_THREADS` says, which candle heeds, too.
#[cfg(feature = "deep")]
pub(crate) fn threads() -> usize {
    POOL.as_ref().map_or(1, ThreadPool::current_num_threads)
}

/// `work` done on every job by at most so many threads, this one included and no more than the pool has beside it; the results
/// in the jobs' order. Each thread has a `Room` of its own, which goes from one job to the next.
pub(crate) fn on_threads<J: Send, R: Send, Room: Default>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn(J, &mut Room) -> R + Sync,
) -> Vec<R> {
    let threads = threads.min(jobs.len()).min(MOST_THREADS);
    if threads <= 1 {
        let mut room = Room::default();
        return jobs.into_iter().map(|job| work(job, &mut room)).collect();
    }
    let queue = Mutex::new(jobs.into_iter().enumerate());
    let next = || queue.lock().ok()?.next();
    let worker = || {
        let (mut room, mut done) = (Room::default(), Vec::new());
        while let Some((place, job)) = next() {
            done.push((place, work(job, &mut room)));
        }
        done
    };
    let mut parts = Vec::new();
    parts.resize_with(threads - 1, Vec::new);
    let busy = AtomicUsize::new(parts.len());
    let mut done = match &*POOL {
        Some(pool) => pool.in_place_scope(|scope| {
            for part in &mut parts {
                scope.spawn(|_| {
                    *part = worker();
                    busy.fetch_sub(1, Ordering::Release);
                });
            }
            let done = worker();
            // The others have at most one job left. To fall asleep and be woken can take longer than that.
            let since = Instant::now();
            while busy.load(Ordering::Acquire) > 0 && since.elapsed() < AWAKE {
                std::thread::yield_now();
            }
            done
        }),
        // Threads that cannot start leave their work to this one.
        None => worker(),
    };
    done.extend(parts.into_iter().flatten());
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
