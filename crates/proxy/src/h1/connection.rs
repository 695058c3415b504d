//! A connection to an instance: the socket, what was read ahead, what waits to be written.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use crate::near;

/// What one read asks for at first. It doubles while reads fill it, up to [`LARGEST_READ`].
const SMALLEST_READ: usize = 8 * 1024;
const LARGEST_READ: usize = 128 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    /// Read, not yet consumed.
    pub(super) inbound: BytesMut,
    /// To be written before `body`.
    pub(super) outbound: BytesMut,
    /// To be written, not copied.
    pub(super) body: Bytes,
    read_size: usize,
    timer: Option<Pin<Box<Sleep>>>,
    /// In the worker's milliseconds; set by the pool.
    pub(crate) idle_since: u64,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Box<Connection>> {
        let stream = near::connect(address).await?;
        Ok(Box::new(Connection {
            stream,
            inbound: BytesMut::new(),
            outbound: BytesMut::with_capacity(1024),
            body: Bytes::new(),
            read_size: SMALLEST_READ,
            timer: None,
            idle_since: 0,
        }))
    }

    /// True if the instance has neither closed the connection nor said anything since its last answer. Costs no system call
    /// unless the socket has reported something.
    pub(crate) fn is_quiet(&self) -> bool {
        let mut byte = [0u8; 1];
        self.inbound.is_empty()
            && matches!(self.stream.try_read(&mut byte), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
    }

    /// Puts a request's head in place, to be sent first.
    pub(crate) fn put_head(&mut self, write: impl FnOnce(&mut BytesMut)) {
        self.outbound.clear();
        write(&mut self.outbound);
    }

    /// Reads once. 0 is the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.inbound.reserve(self.read_size);
        // `read_buf` as a future made anew for each poll keeps nothing between polls, so it loses nothing.
        let read = ready!(pin!(self.stream.read_buf(&mut self.inbound)).poll(cx))?;
        if read >= self.read_size {
            self.read_size = (self.read_size * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(read))
    }

    /// The socket, where nothing was read ahead.
    pub(super) fn bare(&self) -> Option<&TcpStream> {
        self.inbound.is_empty().then_some(&self.stream)
    }

    /// Writes all that waits to be written, and adds to `wrote` how much.
    pub(super) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        wrote: &mut u64,
    ) -> Poll<io::Result<()>> {
        while !(self.outbound.is_empty() && self.body.is_empty()) {
            let stream = Pin::new(&mut self.stream);
            let n = if self.body.is_empty() {
                ready!(stream.poll_write(cx, &self.outbound))?
            } else if self.outbound.is_empty() {
                ready!(stream.poll_write(cx, &self.body))?
            } else {
                let parts = [
                    io::IoSlice::new(&self.outbound),
                    io::IoSlice::new(&self.body),
                ];
                ready!(stream.poll_write_vectored(cx, &parts))?
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *wrote += n as u64;
            let head = n.min(self.outbound.len());
            self.outbound.advance(head);
            self.body.advance(n - head);
        }
        self.outbound.clear();
        Poll::Ready(Ok(()))
    }

    /// Ready once `deadline` has passed. The timer behind it is set anew only when it fires too early, so that a request
    /// that is answered in time costs no change of the timer wheel.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    /// The socket and what was read ahead, for a tunnel.
    pub(crate) fn into_parts(self) -> (TcpStream, BytesMut) {
        (self.stream, self.inbound)
    }
}
