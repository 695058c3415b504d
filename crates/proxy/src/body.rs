//! The body of an answer on its way to the client, and what is done once it has passed.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{StatusCode, request::Parts};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    access_log::Line,
    backend::Backend,
    client::{Client, Command},
    h1::AnswerBody,
    metrics::Passed,
    refusal::Refusal,
    table::CompiledRoute,
    upstream::Lease,
};

/// What is known of a request, written to log and metrics when it is over, however it ends.
pub(crate) struct Record {
    pub(crate) client: Arc<Client>,
    pub(crate) parts: Parts,
    pub(crate) began: Instant,
    pub(crate) status: u16,
    /// When the answer's head was there.
    pub(crate) answered: Option<Duration>,
    pub(crate) sent: u64,
    /// Bytes of the request's body; None where it has none.
    pub(crate) received: Option<Arc<AtomicU64>>,
    pub(crate) route: Option<Arc<CompiledRoute>>,
    pub(crate) backend: Option<Arc<Backend>>,
    pub(crate) instance: Option<pluvio_model::route::InstanceKey>,
    pub(crate) refusal: Option<Refusal>,
    /// The whole answer was handed to the client's connection.
    pub(crate) complete: bool,
}

impl Record {
    pub(crate) fn begin(client: Arc<Client>, parts: Parts) -> Self {
        client.begin(parts.version);
        Record {
            client,
            parts,
            began: Instant::now(),
            status: 0,
            answered: None,
            sent: 0,
            received: None,
            route: None,
            backend: None,
            instance: None,
            refusal: None,
            complete: false,
        }
    }

    /// The answer's head is there.
    pub(crate) fn answer(&mut self, status: StatusCode) {
        self.status = status.as_u16();
        self.answered = Some(self.began.elapsed());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let received = self
            .received
            .as_ref()
            .map_or(0, |count| count.load(Ordering::Relaxed));
        let passed = Passed {
            status: self.status,
            complete: self.complete,
            received,
            sent: self.sent,
            latency: self.answered.unwrap_or_else(|| self.began.elapsed()),
        };
        let worker = &self.client.worker;
        match &self.route {
            Some(route) => {
                if let Some(series) = self.client.asks(&route.application) {
                    series.begin();
                    series.end(passed);
                }
                route.series.end(passed);
            }
            None => {
                worker.shared.unrouted.begin();
                worker.shared.unrouted.end(passed);
            }
        }
        if let Some(backend) = &self.backend {
            backend.series.end(passed);
        }
        // The access log tells of those who came from outside.
        if self.client.edge.is_none() {
            worker.log.put(&Line {
                client: &self.client,
                parts: &self.parts,
                // What proxies log for a client that left before there was an answer.
                status: if self.status == 0 { 499 } else { self.status },
                complete: self.complete,
                received,
                sent: self.sent,
                duration: self.began.elapsed(),
                application: self.route.as_ref().map(|route| route.application.as_str()),
                route: self.route.as_ref().map(|route| route.id.as_str()),
                instance: self.instance.as_ref().map(|instance| instance.as_str()),
                refusal: self.refusal,
            });
        }
        self.client.end();
    }
}

/// What hyper sends to the client.
pub(crate) struct ClientBody {
    source: Source,
    /// Why the answer ends early. hyper drops what it has not written yet when it is told, so it is told a turn later.
    fault: Option<io::Error>,
    record: Option<Box<Record>>,
}

enum Source {
    Empty,
    Whole(Bytes),
    Answer(Box<AnswerBody>, Option<Lease>),
    Session(Incoming, Option<Lease>),
}

impl ClientBody {
    /// The gateway's own answer.
    pub(crate) fn whole(bytes: Bytes, record: Box<Record>) -> Self {
        let source = if bytes.is_empty() {
            Source::Empty
        } else {
            Source::Whole(bytes)
        };
        ClientBody {
            source,
            fault: None,
            record: Some(record),
        }
    }

    /// Nothing, and nobody to tell: the record goes on with the tunnel.
    pub(crate) fn tunnel() -> Self {
        ClientBody {
            source: Source::Empty,
            fault: None,
            record: None,
        }
    }

    pub(crate) fn answer(body: Box<AnswerBody>, lease: Lease, record: Box<Record>) -> Self {
        let mut this = ClientBody {
            source: Source::Answer(body, Some(lease)),
            fault: None,
            record: Some(record),
        };
        this.release();
        this
    }

    pub(crate) fn session(body: Incoming, lease: Lease, record: Box<Record>) -> Self {
        ClientBody {
            source: Source::Session(body, Some(lease)),
            fault: None,
            record: Some(record),
        }
    }

    /// What the client's connection was told.
    pub(crate) fn client_command(&self) -> Command {
        self.record
            .as_ref()
            .map_or(Command::Go, |record| record.client.command())
    }

    /// Gives the connection and the endpoint back as soon as the instance has nothing more to do with the request.
    fn release(&mut self) {
        let Source::Answer(body, lease) = &mut self.source else {
            return;
        };
        if !body.is_over() {
            return;
        }
        let Some(lease) = lease.take() else { return };
        if let (Some(connection), Some(record)) = (body.take_released(), &self.record) {
            record.client.worker.pool(lease.upstream(), connection);
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut self.source {
            Source::Empty => Poll::Ready(None),
            Source::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.source = Source::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Source::Answer(body, _) => {
                let client = self.record.as_ref().map(|record| &record.client);
                let piece = ready!(body.poll_next(cx, client.and_then(|client| client.moving())));
                self.release();
                Poll::Ready(piece.map(|piece| piece.map_err(io::Error::other)))
            }
            Source::Session(body, lease) => {
                let piece = ready!(Pin::new(&mut *body).poll_frame(cx));
                if piece.is_none() || body.is_end_stream() {
                    lease.take();
                }
                Poll::Ready(piece.map(|piece| piece.map_err(io::Error::other)))
            }
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let piece = match this.fault.take() {
            Some(fault) => Some(Err(fault)),
            None => match ready!(this.poll_source(cx)) {
                Some(Err(fault)) => {
                    this.fault = Some(fault);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                piece => piece,
            },
        };
        match &piece {
            Some(Ok(frame)) => {
                if let (Some(record), Some(data)) = (&mut this.record, frame.data_ref()) {
                    record.sent += data.len() as u64;
                }
            }
            Some(Err(error)) => {
                if let Some(record) = this.record.take() {
                    tracing::debug!(
                        %error,
                        cause = error.get_ref().and_then(|e| std::error::Error::source(e)).map(tracing::field::display),
                        instance = record.instance.as_ref().map(tracing::field::display),
                        "an answer ended early"
                    );
                }
            }
            None => {
                if let Some(mut record) = this.record.take() {
                    record.complete = true;
                }
            }
        }
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            _ if self.fault.is_some() => false,
            Source::Empty => true,
            Source::Whole(_) => false,
            Source::Answer(body, _) => body.is_over(),
            Source::Session(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Answer(body, _) => match body.left() {
                Some(left) => SizeHint::with_exact(left),
                None => SizeHint::default(),
            },
            Source::Session(body, _) => body.size_hint(),
        }
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        // hyper does not ask a body that says it is at its end.
        if self.is_end_stream()
            && let Some(record) = &mut self.record
        {
            record.complete = true;
        }
    }
}
