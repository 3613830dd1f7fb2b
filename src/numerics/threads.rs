//! Jobs on threads.

use std::panic::resume_unwind;
use std::sync::Mutex;

/// More threads than this no machine has a use for, and few can start.
pub(crate) const MOST_THREADS: usize = 1024;

/// `work` done on every job by at most so many threads, this one included; the results in the jobs' order. Each thread has a
/// `Room` of its own, which goes from one job to the next.
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
    let mut done = std::thread::scope(|scope| {
        // A thread that cannot start leaves its work to the others.
        let start = |_| std::thread::Builder::new().spawn_scoped(scope, worker).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut done = worker();
        // A result that is missing would not be noticed; a panic is.
        done.extend(others.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))));
        done
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
