//! Connections that changed protocols (WebSocket and whatever else a client and an instance agree on): bytes, both ways.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use bytes::BytesMut;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes},
    net::TcpStream,
};

use crate::{
    body::Record,
    client::{Client, Command},
    upstream::Lease,
};

const BUFFER: usize = 16 * 1024;

/// Joins the client and the instance once the client's connection has become a tunnel. The lease is held to the end: an
/// instance with open tunnels is not drained.
pub(crate) async fn join(
    upgrade: OnUpgrade,
    instance: TcpStream,
    read_ahead: BytesMut,
    lease: Lease,
    mut record: Box<Record>,
) {
    let client = record.client.clone();
    client.become_tunnel();
    let (received, sent) = (Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    record.received = Some(received.clone());
    tokio::select! {
        joined = pass(upgrade, instance, &read_ahead, &received, &sent) => {
            if let Err(error) = joined {
                tracing::debug!(%error, "a tunnel ended");
            }
        }
        () = told_to_end(&client) => {}
    }
    record.sent = sent.load(Ordering::Relaxed);
    record.complete = true;
    drop(lease);
}

async fn pass(
    upgrade: OnUpgrade,
    mut instance: TcpStream,
    read_ahead: &[u8],
    received: &AtomicU64,
    sent: &AtomicU64,
) -> io::Result<()> {
    let mut client = Counted {
        stream: TokioIo::new(upgrade.await.map_err(io::Error::other)?),
        received,
        sent,
    };
    client.write_all(read_ahead).await?;
    copy_bidirectional_with_sizes(&mut client, &mut instance, BUFFER, BUFFER).await?;
    Ok(())
}

/// A tunnel cannot be finished, since nobody here knows its protocol: it goes on until it is cut.
async fn told_to_end(client: &Arc<Client>) {
    std::future::poll_fn(|cx| {
        client.listen(cx);
        if client.command() == Command::Cut {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// The client's side, counted as bytes pass, so that a tunnel that breaks is counted too.
struct Counted<'a> {
    stream: TokioIo<Upgraded>,
    received: &'a AtomicU64,
    sent: &'a AtomicU64,
}

impl AsyncRead for Counted<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        self.received.fetch_add(count as u64, Ordering::Relaxed);
        read
    }
}

impl AsyncWrite for Counted<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = &wrote {
            self.sent.fetch_add(*count as u64, Ordering::Relaxed);
        }
        wrote
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
