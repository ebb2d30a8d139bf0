//! The two ends of a process: bytes from the standard input, bytes to the standard output. Both work on pipes that another part of the process has made non-blocking.

use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;

/// A standard stream that stays open when this goes.
pub struct Standard(ManuallyDrop<File>);

#[cfg(unix)]
impl Standard {
    pub fn input() -> Self {
        Self::of(0)
    }

    pub fn output() -> Self {
        Self::of(1)
    }

    fn of(fd: i32) -> Self {
        use std::os::fd::FromRawFd;
        // SAFETY: descriptors 0 and 1 belong to the process for as long as it lives, and are never closed through this.
        Self(ManuallyDrop::new(unsafe { File::from_raw_fd(fd) }))
    }

    fn wait(&self, events: i16) {
        use std::os::fd::AsRawFd;
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events, revents: 0 };
        // SAFETY: one valid pollfd.
        unsafe { libc::poll(&mut poll, 1, -1) };
    }
}

#[cfg(unix)]
impl Read for Standard {
    /// Fails as soon as the reader of the standard output has gone, also while no input comes.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        use std::os::fd::AsRawFd;
        loop {
            let poll = |fd, events| libc::pollfd { fd, events, revents: 0 };
            let mut both = [poll(self.0.as_raw_fd(), libc::POLLIN), poll(1, 0)];
            // SAFETY: two valid pollfds.
            unsafe { libc::poll(both.as_mut_ptr(), 2, -1) };
            // A pipe tells of its reader's end by an error, a socket by hanging up.
            if both[1].revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0 {
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the output any more"));
            }
            match self.0.read(out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                result => return result,
            }
        }
    }
}

#[cfg(unix)]
impl Write for Standard {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(data) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(libc::POLLOUT),
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
