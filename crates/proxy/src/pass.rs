//! Bytes between two TCP connections.
//!
//! Small messages are read and written. Once a read fills the buffer a large body is under way, and from then on the kernel moves
//! the bytes itself.

use std::{io, net::Shutdown, time::Duration};

use rustix::net::{SendFlags, send};
use socket2::{SockRef, TcpKeepalive};
use tokio::{io::Interest, net::TcpStream, time::timeout};

use crate::moving::{Pipe, is_unsupported};

/// For each direction, while messages are small.
const BUFFER: usize = 16 * 1024;
/// The same, of a large body where the kernel cannot move bytes itself.
const LARGE_BUFFER: usize = 64 * 1024;
/// After so long without a byte a large body is taken to be over.
const QUIET: Duration = Duration::from_secs(1);
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
            buffer = match moved(from, to, &passed).await? {
                Moved::ToTheEnd => break,
                Moved::UntilQuiet => vec![0; BUFFER],
                Moved::Nothing => vec![0; LARGE_BUFFER],
            };
        }
    }
    match SockRef::from(to).shutdown(Shutdown::Write) {
        // It is gone altogether.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        shut => shut,
    }
}

/// How far the kernel moved bytes.
enum Moved {
    ToTheEnd,
    /// Nothing came for a while: a connection that only waits holds no pipe.
    UntilQuiet,
    /// It cannot, or there are too many pipes.
    Nothing,
}

/// Has the kernel move bytes.
async fn moved(
    from: &TcpStream,
    to: &TcpStream,
    passed: &(impl Fn(u64) + Send + Sync),
) -> io::Result<Moved> {
    let Ok(mut pipe) = Pipe::new() else {
        return Ok(Moved::Nothing);
    };
    let mut began = false;
    loop {
        let fill = from.async_io(Interest::READABLE, || pipe.fill(from, usize::MAX));
        let Ok(filled) = timeout(QUIET, fill).await else {
            return Ok(Moved::UntilQuiet);
        };
        match filled {
            Err(error) if !began && is_unsupported(&error) => return Ok(Moved::Nothing),
            Err(error) => return Err(error),
            Ok(0) => return Ok(Moved::ToTheEnd),
            Ok(_) => began = true,
        }
        while !pipe.is_empty() {
            let wrote = to
                .async_io(Interest::WRITABLE, || pipe.drain(to, usize::MAX))
                .await?;
            passed(wrote as u64);
        }
    }
}
