//! Bodies that the kernel moves itself, from one socket through a pipe to another (splice(2)): they are never copied into this
//! process, which on a machine that is busy with both ends is most of what passing them on costs.
//!
//! hyper owns the client's connection and must still count what it sends. So the body of a large answer is handed to it as bytes of
//! [`STAND_IN`], as many as were moved into the pipe, and the stream beneath hyper sends what the pipe holds wherever it is asked to
//! write those. hyper passes bytes of a body on where they lie as long as the stream beneath takes several pieces at once, which it
//! does. Should it ever copy them, zeros would be sent, and the answer be cut short as soon as the pipe is full: its length is told.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};
use tokio::{io::Interest, net::TcpStream};

/// What a pipe holds at most. Smaller where the machine has no more to give.
const PIPE: usize = 512 << 10;
/// A pipe that holds less is not worth its turns.
const LEAST: usize = 64 << 10;
/// Pipes of the whole process: each is two files and up to [`PIPE`] of the kernel's memory. Who comes later has its bytes copied.
const MOST: usize = 512;
static PIPES: AtomicUsize = AtomicUsize::new(0);
/// Of a body with less than this to come, the rest is copied: making a pipe costs more.
pub(crate) const LARGE: u64 = 256 * 1024;
/// Never looked into, and zero, so that it takes no memory.
static STAND_IN: [u8; PIPE] = [0; PIPE];

/// A pipe between two sockets.
#[derive(Debug)]
pub(crate) struct Pipe {
    out: OwnedFd,
    into: OwnedFd,
    /// What was moved into it and not yet out of it.
    held: usize,
    _place: Place,
}

/// One of the [`MOST`].
#[derive(Debug)]
struct Place;

impl Place {
    fn take() -> io::Result<Place> {
        let place = Place;
        if PIPES.fetch_add(1, Ordering::Relaxed) >= MOST {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipe {
    pub(crate) fn new() -> io::Result<Pipe> {
        let place = Place::take()?;
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // Who has many pipes may have small ones only: copying is then the faster way.
        if fcntl_setpipe_size(&into, PIPE).is_err() && fcntl_getpipe_size(&into)? < LEAST {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        Ok(Pipe {
            out,
            into,
            held: 0,
            _place: place,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves what has arrived into the pipe, which must be empty: whatever would block is then the socket. 0 is its end.
    pub(crate) fn fill(&mut self, from: &TcpStream, most: usize) -> io::Result<usize> {
        debug_assert!(self.is_empty());
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        self.held = splice(from, None, &self.into, None, most.min(PIPE), flags)?;
        Ok(self.held)
    }

    /// Moves at most so many bytes out of it.
    pub(crate) fn drain(&mut self, to: &TcpStream, most: usize) -> io::Result<usize> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        let wrote = splice(&self.out, None, to, None, most.min(self.held), flags)?;
        self.held -= wrote;
        Ok(wrote)
    }
}

/// The kernel does not move bytes between these two. (A container's seccomp rules may forbid it.)
pub(crate) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// The way of large bodies to one client.
#[derive(Debug, Default)]
pub(crate) struct Moving(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pipe: Option<Pipe>,
    /// Nothing more of the body will go into the pipe.
    last: bool,
    unsupported: bool,
    /// The client takes nothing at the moment.
    blocked: bool,
    /// Who fills it, when it is empty again.
    waiting: Option<Waker>,
}

impl Moving {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It waits for the client, not for the instance.
    pub(crate) fn is_held(&self) -> bool {
        let state = self.state();
        state.blocked && state.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty())
    }

    /// Moves the next bytes of a body of which `left` are to come, and gives what stands for them: nothing at the socket's end.
    /// `None` if bytes cannot be moved here; none were lost then.
    pub(crate) fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        left: u64,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let mut state = self.state();
        if state.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty()) {
            state.waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if state.unsupported {
            return Poll::Ready(None);
        }
        if state.pipe.is_none() {
            match Pipe::new() {
                Ok(pipe) => state.pipe = Some(pipe),
                // No more pipes or files: then it goes without.
                Err(_) => return Poll::Ready(None),
            }
        }
        let State { pipe, last, .. } = &mut *state;
        let pipe = pipe.as_mut().expect("was just made");
        let most = usize::try_from(left).unwrap_or(PIPE);
        let filled = loop {
            // Asked each time: others have their turn even if one is always ready.
            if let Err(error) = ready!(from.poll_read_ready(cx)) {
                break Err(error);
            }
            match from.try_io(Interest::READABLE, || pipe.fill(from, most)) {
                Err(error) if is_passing(&error) => {}
                filled => break filled,
            }
        };
        *last = filled
            .as_ref()
            .is_ok_and(|held| left - (*held as u64) < LARGE);
        if pipe.is_empty() {
            state.pipe = None;
        }
        match filled {
            Err(error) if is_unsupported(&error) => {
                state.unsupported = true;
                Poll::Ready(None)
            }
            Err(error) => Poll::Ready(Some(Err(error))),
            Ok(held) => Poll::Ready(Some(Ok(Bytes::from_static(&STAND_IN[..held])))),
        }
    }

    /// Sends what the pipe holds in place of `piece`.
    pub(crate) fn poll_drain(
        &self,
        cx: &mut Context<'_>,
        to: &TcpStream,
        piece: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let State { pipe, blocked, .. } = &mut *state;
        let Some(pipe) = pipe else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let wrote = loop {
            let writable = to.poll_write_ready(cx);
            *blocked = writable.is_pending();
            ready!(writable)?;
            match to.try_io(Interest::WRITABLE, || pipe.drain(to, piece.len())) {
                Err(error) if is_passing(&error) => {}
                wrote => break wrote?,
            }
        };
        if pipe.is_empty() {
            // A kept connection that only waits holds no pipe.
            if state.last {
                state.pipe = None;
            }
            if let Some(waiting) = state.waiting.take() {
                waiting.wake();
            }
        }
        Poll::Ready(Ok(wrote))
    }
}

/// These bytes stand for what the pipe holds.
pub(crate) fn stands_in(piece: &[u8]) -> bool {
    STAND_IN.as_ptr_range().contains(&piece.as_ptr())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn only_the_stand_in_stands_in() {
        assert!(stands_in(&STAND_IN[..1]) && stands_in(&STAND_IN[PIPE - 1..]));
        assert!(!stands_in(&[0; 8]) && !stands_in(&[]));
    }

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (one, other) = tokio::join!(TcpStream::connect(address), listener.accept());
        (one.unwrap(), other.unwrap().0)
    }

    #[tokio::test]
    async fn it_is_held_while_the_client_takes_nothing_and_no_longer() {
        let (mut instance, from) = pair().await;
        let (to, mut client) = pair().await;
        let moving = Moving::default();
        let left = u64::MAX;
        let mut sent = 0;
        let held = loop {
            instance.write_all(&[7; 64 << 10]).await.unwrap();
            let piece = poll_fn(|cx| moving.poll_fill(cx, &from, left)).await;
            let piece = piece.expect("the kernel moves bytes").unwrap();
            let mut rest = &piece[..];
            while !rest.is_empty() {
                match poll_fn(|cx| Poll::Ready(moving.poll_drain(cx, &to, rest))).await {
                    Poll::Ready(wrote) => rest = &rest[wrote.unwrap()..],
                    Poll::Pending => break,
                }
            }
            sent += piece.len() - rest.len();
            if !rest.is_empty() {
                break rest.len();
            }
            assert!(!moving.is_held());
        };
        assert!(moving.is_held());
        client.read_exact(&mut vec![0; sent]).await.unwrap();
        let mut out = 0;
        while out < held {
            out += poll_fn(|cx| moving.poll_drain(cx, &to, &STAND_IN[out..held]))
                .await
                .unwrap();
        }
        assert!(!moving.is_held());
    }

    #[tokio::test]
    async fn what_was_moved_is_sent_in_place_of_what_stands_for_it_and_the_pipe_goes_with_the_body()
    {
        let (mut instance, from) = pair().await;
        let (to, mut client) = pair().await;
        let moving = Moving::default();
        let text = b"a body's first bytes";
        instance.write_all(text).await.unwrap();
        let left = LARGE + text.len() as u64;
        let piece = poll_fn(|cx| moving.poll_fill(cx, &from, left)).await;
        let piece = piece.expect("the kernel moves bytes").unwrap();
        assert!(stands_in(&piece) && piece.len() == text.len());
        // Nothing more goes in before it is out.
        let again = poll_fn(|cx| Poll::Ready(moving.poll_fill(cx, &from, left).is_pending()));
        assert!(!moving.is_held() && again.await);
        let mut sent = 0;
        while sent < piece.len() {
            sent += poll_fn(|cx| moving.poll_drain(cx, &to, &piece[sent..]))
                .await
                .unwrap();
        }
        let mut got = vec![0; text.len()];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(got, text);
        assert!(!moving.is_held() && moving.state().pipe.is_some());
        instance.write_all(b"x").await.unwrap();
        let piece = poll_fn(|cx| moving.poll_fill(cx, &from, LARGE))
            .await
            .unwrap();
        poll_fn(|cx| moving.poll_drain(cx, &to, piece.as_ref().unwrap()))
            .await
            .unwrap();
        assert!(moving.state().pipe.is_none());
        drop(instance);
        let end = poll_fn(|cx| moving.poll_fill(cx, &from, LARGE))
            .await
            .unwrap();
        assert!(end.unwrap().is_empty());
    }
}
