//! Jobs on threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// More threads than this no machine has a use for, and few can start.
pub(crate) const MOST_THREADS: usize = 1024;

/// How long a thread that is done waits for the others awake.
const AWAKE: Duration = Duration::from_micros(100);

/// Threads that outlive a call. Those of std's scope would not, nor what they have allocated: up to 0.2 ms a call. None where
/// they cannot start.
static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| ThreadPoolBuilder::new().build().ok());

/// As many threads as candle has: as the machine has cores, or as the environment variable `RAYON_NUM_THREADS` says.
#[cfg(feature = "deep")]
pub(crate) fn threads() -> usize {
    candle_core::utils::barrier_pool().n_workers() + 1
}

/// `work` done on every job by at most so many threads, this one included and no more than the pool has beside it; the results
/// in the jobs' order. Each thread has a `Room` of its own, which goes from one job to the next.
pub(crate) fn on_threads<J: Send, R: Send, Room: Default>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn(J, &mut Room) -> R + Sync,
) -> Vec<R> {
    shared(threads, jobs, work, share)
}

/// The same on candle's threads, where it is there, for what stands between its operations. `work` must do nothing with candle,
/// which would wait for itself: none of a caller's own code.
pub(crate) fn on_candle_threads<J: Send, R: Send, Room: Default>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn(J, &mut Room) -> R + Sync,
) -> Vec<R> {
    #[cfg(feature = "deep")]
    let share = share_with_candle;
    shared(threads, jobs, work, share)
}

fn shared<J: Send, R: Send, Room: Default>(
    threads: usize,
    jobs: Vec<J>,
    work: impl Fn(J, &mut Room) -> R + Sync,
    share: fn(usize, &(dyn Fn() + Sync)),
) -> Vec<R> {
    let threads = threads.min(jobs.len()).min(MOST_THREADS);
    if threads <= 1 {
        let mut room = Room::default();
        return jobs.into_iter().map(|job| work(job, &mut room)).collect();
    }
    let (queue, done) = (Mutex::new(jobs.into_iter().enumerate()), Mutex::new(Vec::new()));
    let next = || queue.lock().ok()?.next();
    share(threads, &|| {
        let (mut room, mut mine) = (Room::default(), Vec::new());
        while let Some((place, job)) = next() {
            mine.push((place, work(job, &mut room)));
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).extend(mine);
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// `worker` on this thread and so many of the pool that there are `threads`.
fn share(threads: usize, worker: &(dyn Fn() + Sync)) {
    // Threads that cannot start leave their work to this one.
    let Some(pool) = &*POOL else { return worker() };
    let busy = AtomicUsize::new(threads - 1);
    pool.in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| {
                worker();
                busy.fetch_sub(1, Ordering::Release);
            });
        }
        worker();
        // The others have at most one job left. To fall asleep and be woken can take longer than that.
        let since = Instant::now();
        while busy.load(Ordering::Acquire) > 0 && since.elapsed() < AWAKE {
            std::thread::yield_now();
        }
    });
}

/// The same on candle's threads. They wait for work awake, up to a millisecond after each operation, so that other threads would
/// have to wait for a core.
#[cfg(feature = "deep")]
fn share_with_candle(threads: usize, worker: &(dyn Fn() + Sync)) {
    let pool = candle_core::utils::barrier_pool();
    let all = pool.n_workers();
    pool.execute(|thread| {
        // The last is this one.
        if thread + 1 < threads || thread == all {
            worker();
        }
    });
}
