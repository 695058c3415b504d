//! The body of a request on its way to an instance, with what is needed to send it again.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// As much of a body is remembered for sending it again. What is remembered shares the memory it was read into.
const MOST_REMEMBERED: usize = 64 * 1024;

/// A request's body. Frames that were taken from the client are remembered until [`forget`](Self::forget), so that a request
/// can be sent again on another connection.
pub(crate) struct Outgoing<B = Incoming> {
    body: B,
    ended: bool,
    limit: Option<u64>,
    received: u64,
    /// Where others read how much was received: the access log.
    counter: Option<Arc<AtomicU64>>,
    sent: Vec<Bytes>,
    remembered: usize,
    next: usize,
    memory: Memory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    Keeping,
    /// Too much was sent, or it is known that it will not be sent again.
    Lost,
    Forgotten,
}

/// Why a request's body could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the request's body is larger than the route allows")]
    TooLarge,
    #[error("the client stopped sending the body")]
    Stalled,
    #[error("the client did not send the whole body")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(crate) fn new(body: B, limit: Option<u64>) -> Self {
        Outgoing {
            ended: body.is_end_stream(),
            body,
            limit,
            received: 0,
            counter: None,
            sent: Vec::new(),
            remembered: 0,
            next: 0,
            memory: Memory::Keeping,
        }
    }

    /// Lets others see how many bytes were received.
    pub(crate) fn count_into(&mut self, counter: Arc<AtomicU64>) {
        self.counter = Some(counter);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ended && self.next == self.sent.len()
    }

    /// The body's length, where it is known before it is sent.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// It will not be sent again.
    pub(crate) fn forget(&mut self) {
        if self.memory == Memory::Keeping {
            self.memory = Memory::Forgotten;
            self.sent.drain(..self.next);
            self.next = 0;
        }
    }

    /// Goes back to the start; false where that is not possible.
    pub(crate) fn rewind(&mut self) -> bool {
        let possible = self.memory == Memory::Keeping;
        if possible {
            self.next = 0;
        }
        possible
    }

    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Some(again) = self.sent.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(again.clone()))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
            Some(Err(error)) => {
                self.memory = Memory::Lost;
                Poll::Ready(Some(Err(BodyFault::Client(error.into()))))
            }
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.received += data.len() as u64;
                    if let Some(counter) = &self.counter {
                        counter.store(self.received, Ordering::Relaxed);
                    }
                    if self.limit.is_some_and(|limit| self.received > limit) {
                        self.memory = Memory::Lost;
                        return Poll::Ready(Some(Err(BodyFault::TooLarge)));
                    }
                    self.remember(data);
                } else {
                    // Trailers are rare; a request with some is not sent again.
                    self.memory = Memory::Lost;
                }
                self.ended = self.body.is_end_stream();
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn remember(&mut self, data: &Bytes) {
        if self.memory != Memory::Keeping {
            return;
        }
        self.remembered += data.len();
        if self.remembered > MOST_REMEMBERED {
            self.memory = Memory::Lost;
            self.sent = Vec::new();
            self.next = 0;
        } else {
            self.sent.push(data.clone());
            self.next = self.sent.len();
        }
    }
}

impl<B> std::fmt::Debug for Outgoing<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("received", &self.received)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// What hyper's HTTP/2 client takes.
impl<B> Body for Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.get_mut().poll_next(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.next == 0 {
            self.body.size_hint()
        } else {
            SizeHint::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    type Frames = Vec<Result<Frame<Bytes>, std::io::Error>>;

    fn body(sizes: &[usize]) -> Outgoing<impl Body<Data = Bytes, Error = std::io::Error> + Unpin> {
        let frames: Frames = sizes
            .iter()
            .map(|size| Ok(Frame::data(Bytes::from(vec![b'x'; *size]))))
            .collect();
        Outgoing::new(StreamBody::new(stream::iter(frames)), Some(1_000_000))
    }

    async fn take(
        body: &mut Outgoing<impl Body<Data = Bytes, Error = std::io::Error> + Unpin>,
        frames: usize,
    ) -> Vec<usize> {
        let mut sizes = Vec::new();
        for _ in 0..frames {
            match body.frame().await {
                Some(frame) => sizes.push(frame.unwrap().into_data().unwrap().len()),
                None => break,
            }
        }
        sizes
    }

    #[tokio::test]
    async fn what_was_sent_can_be_sent_again_while_it_is_remembered() {
        let mut outgoing = body(&[1, 2, 3]);
        assert_eq!(take(&mut outgoing, 2).await, [1, 2]);
        assert!(outgoing.rewind());
        assert_eq!(take(&mut outgoing, 9).await, [1, 2, 3]);
        outgoing.forget();
        assert!(!outgoing.rewind());
    }

    #[tokio::test]
    async fn a_large_body_is_not_kept_in_memory() {
        let mut outgoing = body(&[40_000, 40_000, 5]);
        assert_eq!(take(&mut outgoing, 2).await, [40_000, 40_000]);
        assert!(outgoing.sent.is_empty());
        assert!(!outgoing.rewind());
        assert_eq!(take(&mut outgoing, 9).await, [5]);
    }

    #[tokio::test]
    async fn the_route_limits_the_size() {
        let mut outgoing = body(&[600_000, 600_000]);
        assert_eq!(take(&mut outgoing, 1).await, [600_000]);
        let fault = outgoing.frame().await.unwrap().unwrap_err();
        assert!(matches!(fault, BodyFault::TooLarge));
    }
}
