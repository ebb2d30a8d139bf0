//! Threads that work in step, each on a part of the work: a step is a few microseconds, so nobody sleeps between two of
//! them. Whoever is free takes what another one has not begun: the leader has work of its own meanwhile, and a thread may
//! have no processor.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, RwLock};
use std::thread::{Scope, Thread};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long a thread looks for the next step before it sleeps.
const PATIENCE: Duration = Duration::from_micros(200);
/// Looks before a thread lets others have its processor, if they want it; a microsecond or two.
const LOOKS: u32 = 64;

/// Parts of the work, one for each thread, and what to do next with each.
pub struct Team<P, J> {
    seats: Vec<Seat<P>>,
    job: RwLock<J>,
    work: fn(&mut P, &J),
    step: AtomicUsize,
    over: AtomicBool,
    asleep: Vec<AtomicBool>,
}

/// Apart in memory, because each is written to by another thread.
#[repr(align(128))]
struct Seat<P> {
    part: Mutex<P>,
    /// The last step that somebody began here, and the last one that is done.
    begun: AtomicUsize,
    done: AtomicUsize,
}

/// The threads at work. Sends them home when it goes.
pub struct Shift<'a, P, J> {
    team: &'a Team<P, J>,
    threads: Vec<Thread>,
}

impl<P: Send, J: Send + Sync> Team<P, J> {
    pub fn new(parts: Vec<P>, job: J, work: fn(&mut P, &J)) -> Self {
        let seat = |part| Seat { part: Mutex::new(part), begun: AtomicUsize::new(0), done: AtomicUsize::new(0) };
        let seats: Vec<_> = parts.into_iter().map(seat).collect();
        let others = seats.len().saturating_sub(1);
        Self {
            seats,
            job: RwLock::new(job),
            work,
            step: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            asleep: (0..others).map(|_| AtomicBool::new(false)).collect(),
        }
    }

    /// Starts the threads, all but the leader.
    pub fn start<'a>(&'a self, scope: &'a Scope<'a, '_>) -> Shift<'a, P, J> {
        let others = self.asleep.iter().enumerate();
        let start = |(i, asleep)| scope.spawn(move || self.serve(i + 1, asleep)).thread().clone();
        Shift { team: self, threads: others.map(start).collect() }
    }

    /// All parts, between two steps.
    pub fn parts(&self) -> Result<Vec<MutexGuard<'_, P>>> {
        self.seats.iter().map(|seat| seat.part.lock().map_err(|_| failed())).collect()
    }

    fn serve(&self, first: usize, asleep: &AtomicBool) {
        let mut last = 0;
        loop {
            let mut since = Instant::now();
            let mut looks = 0u32;
            while self.step.load(SeqCst) == last {
                if self.over.load(SeqCst) {
                    return;
                }
                std::hint::spin_loop();
                looks += 1;
                if !looks.is_multiple_of(LOOKS) {
                    continue;
                }
                std::thread::yield_now();
                if since.elapsed() > PATIENCE {
                    asleep.store(true, SeqCst);
                    while self.step.load(SeqCst) == last && !self.over.load(SeqCst) {
                        std::thread::park();
                    }
                    asleep.store(false, SeqCst);
                    since = Instant::now();
                }
            }
            last = self.step.load(SeqCst);
            self.work_from(first, last);
        }
    }

    /// Does what nobody has begun, from the seat `first` on.
    fn work_from(&self, first: usize, step: usize) {
        let (before, from) = self.seats.split_at(first);
        from.iter().chain(before).for_each(|seat| self.work_at(seat, step));
    }

    fn work_at(&self, seat: &Seat<P>, step: usize) {
        if seat.begun.load(SeqCst) != step - 1 || seat.begun.compare_exchange(step - 1, step, SeqCst, SeqCst).is_err() {
            return;
        }
        // Said even where the work panics; whoever asks for the part then sees that it did.
        let _done = Done { seat, step };
        if let (Ok(mut part), Ok(job)) = (seat.part.lock(), self.job.read()) {
            (self.work)(&mut part, &job);
        }
    }
}

struct Done<'a, P> {
    seat: &'a Seat<P>,
    step: usize,
}

impl<P> Drop for Done<'_, P> {
    fn drop(&mut self) {
        self.seat.done.store(self.step, SeqCst);
    }
}

impl<P: Send, J: Send + Sync> Shift<'_, P, J> {
    /// Sets the next job, which the threads begin to do with every part.
    pub fn begin(&self, set: impl FnOnce(&mut J)) -> Result<()> {
        let team = self.team;
        set(&mut *team.job.write().map_err(|_| failed())?);
        team.step.store(team.step.load(SeqCst) + 1, SeqCst);
        for (asleep, thread) in team.asleep.iter().zip(&self.threads) {
            if asleep.load(SeqCst) {
                thread.unpark();
            }
        }
        Ok(())
    }

    /// Helps with what is left, and waits for the rest.
    pub fn finish(&self) {
        let team = self.team;
        let step = team.step.load(SeqCst);
        team.work_from(0, step);
        for seat in &team.seats {
            let mut looks = 0u32;
            while seat.done.load(SeqCst) != step {
                std::hint::spin_loop();
                looks += 1;
                if looks.is_multiple_of(LOOKS) {
                    std::thread::yield_now();
                }
            }
        }
    }
}

impl<P, J> Drop for Shift<'_, P, J> {
    fn drop(&mut self) {
        self.team.over.store(true, SeqCst);
        self.threads.iter().for_each(Thread::unpark);
    }
}

fn failed() -> Error {
    Error::internal("a thread of the training failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_gets_every_step_once() {
        let team = Team::new(vec![Vec::new(); 6], 0, |part: &mut Vec<u32>, job: &u32| part.push(*job));
        std::thread::scope(|scope| {
            let shift = team.start(scope);
            for step in 0..3000 {
                if step % 1000 == 0 {
                    // They fall asleep.
                    std::thread::sleep(PATIENCE * 5);
                }
                shift.begin(|job| *job = step).unwrap();
                shift.finish();
                assert!(team.parts().unwrap().iter().all(|part| part.last() == Some(&step)));
            }
        });
        assert!(team.parts().unwrap().iter().all(|part| **part == (0..3000).collect::<Vec<_>>()));
    }

    #[test]
    fn a_part_that_panics_is_an_error() {
        let team = Team::new(vec![0, 1, 2, 3], (), |part: &mut u32, (): &()| assert!(*part != 2));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            std::thread::scope(|scope| {
                let shift = team.start(scope);
                shift.begin(|()| {}).unwrap();
                shift.finish();
            });
        }));
        // By a thread, or by the leader in its place.
        assert!(caught.is_err() && team.parts().is_err());
    }
}
