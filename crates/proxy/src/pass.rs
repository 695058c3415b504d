//! Bytes between two TCP connections.
//!
//! Small messages are read and written. Once a read fills the buffer a large body is under way, and from then on the kernel moves
//! the bytes itself, through a pipe (splice(2)): they are never copied into this process, which on a machine that is busy with both
//! ends is most of what passing them on costs.

use std::{io, net::Shutdown, os::fd::OwnedFd, time::Duration};

use rustix::net::{SendFlags, send};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};
use socket2::{SockRef, TcpKeepalive};
use tokio::{io::Interest, net::TcpStream};

/// For each direction, while messages are small.
const BUFFER: usize = 16 * 1024;
/// The same, of a large body where the kernel cannot move bytes itself.
const LARGE_BUFFER: usize = 64 * 1024;
/// What a pipe holds at most. Smaller where the machine has no more to give.
const PIPE: usize = 1 << 20;
/// After so long without a byte it is asked whether the other end is still there, and again after each `ASK_AGAIN`.
const IDLE: Duration = Duration::from_secs(60);
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Sends small messages at once, and notices an end that is gone without a word.
pub(crate) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let keep = TcpKeepalive::new().with_time(IDLE).with_interval(ASK_AGAIN);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keep);
}

/// Passes bytes until both ends have said all they had to say. `passed` is told how many came from the first and from the second.
pub(crate) async fn both_ways(
    first: &TcpStream,
    second: &TcpStream,
    passed: impl Fn(u64, u64) + Send + Sync,
) -> io::Result<()> {
    tokio::try_join!(
        one_way(first, second, |count| passed(count, 0)),
        one_way(second, first, |count| passed(0, count)),
    )?;
    Ok(())
}

async fn one_way(
    from: &TcpStream,
    to: &TcpStream,
    passed: impl Fn(u64) + Send + Sync,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from
            .async_io(Interest::READABLE, || {
                Ok(rustix::io::read(from, &mut buffer)?)
            })
            .await?;
        if count == 0 {
            break;
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let wrote = to
                .async_io(Interest::WRITABLE, || {
                    Ok(send(to, rest, SendFlags::NOSIGNAL)?)
                })
                .await?;
            rest = &rest[wrote..];
        }
        passed(count as u64);
        if count == BUFFER && buffer.len() == BUFFER {
            drop(std::mem::take(&mut buffer));
            if moved(from, to, &passed).await? {
                break;
            }
            buffer = vec![0; LARGE_BUFFER];
        }
    }
    match SockRef::from(to).shutdown(Shutdown::Write) {
        // It is gone altogether.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        shut => shut,
    }
}

/// Has the kernel move bytes to the end. False if it cannot; then none were.
async fn moved(
    from: &TcpStream,
    to: &TcpStream,
    passed: &(impl Fn(u64) + Send + Sync),
) -> io::Result<bool> {
    let Ok((out, into)) = pipe() else {
        return Ok(false);
    };
    let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
    let mut began = false;
    loop {
        // The pipe is empty, so whatever would block is the connection.
        let filled = from
            .async_io(Interest::READABLE, || {
                Ok(splice(from, None, &into, None, PIPE, flags)?)
            })
            .await;
        let mut held = match filled {
            Err(error) if !began && is_unsupported(&error) => return Ok(false),
            filled => filled?,
        };
        if held == 0 {
            return Ok(true);
        }
        began = true;
        while held > 0 {
            let wrote = to
                .async_io(Interest::WRITABLE, || {
                    Ok(splice(&out, None, to, None, held, flags)?)
                })
                .await?;
            held -= wrote;
            passed(wrote as u64);
        }
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
    )
}

/// Its reading and its writing end.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
    let _ = fcntl_setpipe_size(&into, PIPE);
    Ok((out, into))
}
