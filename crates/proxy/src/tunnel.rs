//! Connections that changed protocols (WebSocket and whatever else a client and an instance agree on): bytes, both ways.

use std::{io, sync::Arc};

use bytes::BytesMut;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional_with_sizes},
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
    let joined = pass(upgrade, instance, read_ahead, &mut record);
    tokio::select! {
        joined = joined => {
            if let Err(error) = joined {
                tracing::debug!(%error, "a tunnel ended");
            }
        }
        () = told_to_end(&client) => {}
    }
    record.complete = true;
    drop(lease);
}

async fn pass(
    upgrade: OnUpgrade,
    mut instance: TcpStream,
    read_ahead: BytesMut,
    record: &mut Record,
) -> io::Result<()> {
    let mut client = TokioIo::new(upgrade.await.map_err(io::Error::other)?);
    client.write_all(&read_ahead).await?;
    let (up, down) =
        copy_bidirectional_with_sizes(&mut client, &mut instance, BUFFER, BUFFER).await?;
    record.sent += read_ahead.len() as u64 + up + down;
    Ok(())
}

/// A tunnel cannot be finished, since nobody here knows its protocol: it goes on until it is cut.
async fn told_to_end(client: &Arc<Client>) {
    std::future::poll_fn(|cx| {
        client.listen(cx);
        if client.command() == Command::Cut {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
