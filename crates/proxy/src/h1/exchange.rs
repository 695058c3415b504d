//! One request and its answer on a connection, both directions at once.

use std::{
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{BufMut, Bytes};
use http_body::Frame;
use tokio::time::Instant;

use super::{
    answer::{self, Answer, BodyEnd, Invalid},
    chunks::{Chunks, Piece},
    connection::Connection,
    head::Framing,
};
use crate::{
    moving::{LARGE, Moving},
    outgoing::{BodyFault, Outgoing},
};

/// Frames up to this size are copied behind the head, so that one write sends both.
const COPIED: usize = 4 * 1024;

/// A request being sent, whose answer has not begun yet.
pub(crate) struct Exchange {
    sender: Sender,
    head_only: bool,
    answer_begun: bool,
    deadline: Option<Instant>,
    response: Duration,
}

/// The request's side. It may outlast the answer's head: a server may answer while it still reads.
struct Sender {
    connection: Box<Connection>,
    outgoing: Outgoing,
    framing: Framing,
    /// Of a body whose length was announced.
    left: u64,
    written: u64,
    owes_line_end: bool,
    /// The head is written together with the body's first bytes, if those are there already.
    head_waits: bool,
    state: SendState,
}

enum SendState {
    Sending,
    Sent,
    /// The instance may still have answered before it stopped reading.
    Broken(io::Error),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the connection failed before an answer")]
    Connection(#[source] io::Error),
    #[error("the connection was closed before an answer")]
    Closed,
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error("what came back is no answer: {0}")]
    Invalid(Invalid),
    #[error("the request's body ended")]
    Body(#[source] BodyFault),
}

impl Exchange {
    /// Begins to send; the connection's `outbound` holds the head already.
    pub(crate) fn new(
        connection: Box<Connection>,
        outgoing: Outgoing,
        framing: Framing,
        head_only: bool,
        response: Duration,
    ) -> Self {
        Exchange {
            sender: Sender {
                connection,
                outgoing,
                framing,
                left: match framing {
                    Framing::Length(length) => length,
                    _ => 0,
                },
                written: 0,
                owes_line_end: false,
                head_waits: framing != Framing::None,
                state: SendState::Sending,
            },
            head_only,
            answer_begun: false,
            deadline: None,
            response,
        }
    }

    pub(crate) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Failure>> {
        let written = self.sender.written;
        if let Err(fault) = self.sender.poll(cx) {
            return Poll::Ready(Err(Failure::Body(fault)));
        }
        match self.poll_head(cx) {
            Poll::Ready(answer) => Poll::Ready(answer),
            Poll::Pending => {
                if self.sender.written > written {
                    self.deadline = None;
                }
                let deadline = *self
                    .deadline
                    .get_or_insert_with(|| Instant::now() + self.response);
                ready!(self.sender.connection.poll_deadline(cx, deadline));
                Poll::Ready(Err(if self.sender.waits_for_client() {
                    Failure::Body(BodyFault::Stalled)
                } else {
                    Failure::Timeout(self.response)
                }))
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Failure>> {
        loop {
            let read = match ready!(self.sender.connection.poll_fill(cx)) {
                Ok(read) => read,
                Err(error) => return Poll::Ready(Err(Failure::Connection(error))),
            };
            if read == 0 {
                let state = std::mem::replace(&mut self.sender.state, SendState::Sent);
                return Poll::Ready(Err(match state {
                    SendState::Broken(error) => Failure::Connection(error),
                    _ => Failure::Closed,
                }));
            }
            if !self.answer_begun {
                self.answer_begun = true;
                self.sender.outgoing.forget();
            }
            match answer::take(&mut self.sender.connection.inbound, self.head_only) {
                Ok(Some(answer)) => return Poll::Ready(Ok(answer)),
                Ok(None) => {}
                Err(invalid) => return Poll::Ready(Err(Failure::Invalid(invalid))),
            }
        }
    }

    /// After a failure: the body, ready to be sent once more from its start, where that is safe. It is safe if nothing was
    /// answered, and either not a byte of the request left the gateway or the method may be repeated (RFC 9110, 9.2.2).
    pub(crate) fn into_repeatable(mut self, idempotent: bool) -> Option<Outgoing> {
        let safe = !self.answer_begun && (idempotent || self.sender.written == 0);
        (safe && self.sender.outgoing.rewind()).then_some(self.sender.outgoing)
    }

    /// After a 101: the connection, which is a tunnel now.
    pub(crate) fn into_connection(self) -> Box<Connection> {
        self.sender.connection
    }

    /// After the answer's head: what follows it.
    pub(crate) fn into_body(self, answer: &Answer, idle: Duration) -> AnswerBody {
        let mut body = AnswerBody {
            end: match answer.body {
                BodyEnd::Length(length) => End::Length(length),
                BodyEnd::Chunked => End::Chunked(Chunks::default()),
                BodyEnd::Close => End::Close,
            },
            reusable: answer.reusable,
            sender: Some(self.sender),
            idle,
            deadline: None,
            released: None,
        };
        body.release_if_complete();
        body
    }
}

impl Sender {
    /// Sends what can be sent now. An error of the connection is kept as state: the answer decides what it means.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<(), BodyFault> {
        if !matches!(self.state, SendState::Sending) {
            return Ok(());
        }
        loop {
            if !self.head_waits {
                if !self.flush(cx) {
                    return Ok(());
                }
                if self.is_complete() {
                    self.state = SendState::Sent;
                    return Ok(());
                }
            }
            let next = self.outgoing.poll_next(cx);
            self.head_waits = false;
            match next {
                Poll::Ready(Some(Ok(frame))) => self.put(frame)?,
                Poll::Ready(Some(Err(fault))) => return Err(fault),
                Poll::Ready(None) => self.put_end(None)?,
                Poll::Pending => {
                    if std::mem::take(&mut self.owes_line_end) {
                        self.connection.outbound.put_slice(b"\r\n");
                    }
                    self.flush(cx);
                    return Ok(());
                }
            }
        }
    }

    /// Writes what waits. False if not all could be written.
    fn flush(&mut self, cx: &mut Context<'_>) -> bool {
        match self.connection.poll_flush(cx, &mut self.written) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                self.state = SendState::Broken(error);
                false
            }
            Poll::Pending => false,
        }
    }

    /// All that the client has sent so far was passed on, and it has not sent everything.
    fn waits_for_client(&self) -> bool {
        matches!(self.state, SendState::Sending)
            && self.connection.outbound.is_empty()
            && self.connection.body.is_empty()
    }

    fn is_complete(&self) -> bool {
        match self.framing {
            Framing::None => true,
            Framing::Length(_) => self.left == 0,
            Framing::Chunked => false,
        }
    }

    fn put(&mut self, frame: Frame<Bytes>) -> Result<(), BodyFault> {
        let data = match frame.into_data() {
            Ok(data) if data.is_empty() => return Ok(()),
            Ok(data) => data,
            Err(frame) => return self.put_end(frame.into_trailers().ok()),
        };
        match self.framing {
            Framing::None => {}
            Framing::Length(_) => {
                self.left = self
                    .left
                    .checked_sub(data.len() as u64)
                    .ok_or(BodyFault::TooLarge)?;
                self.put_data(data);
            }
            Framing::Chunked => {
                if std::mem::replace(&mut self.owes_line_end, true) {
                    self.connection.outbound.put_slice(b"\r\n");
                }
                let size = format!("{:x}\r\n", data.len());
                self.connection.outbound.put_slice(size.as_bytes());
                self.put_data(data);
            }
        }
        Ok(())
    }

    fn put_data(&mut self, data: Bytes) {
        if data.len() <= COPIED {
            self.connection.outbound.put_slice(&data);
        } else {
            self.connection.body = data;
        }
    }

    fn put_end(&mut self, trailers: Option<http::HeaderMap>) -> Result<(), BodyFault> {
        match self.framing {
            Framing::None => {}
            Framing::Length(_) if self.left > 0 => {
                let short = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(BodyFault::Client(short.into()));
            }
            Framing::Length(_) => {}
            Framing::Chunked => {
                let out = &mut self.connection.outbound;
                if std::mem::take(&mut self.owes_line_end) {
                    out.put_slice(b"\r\n");
                }
                out.put_slice(b"0\r\n");
                for (name, value) in trailers.iter().flatten() {
                    out.put_slice(name.as_str().as_bytes());
                    out.put_slice(b": ");
                    out.put_slice(value.as_bytes());
                    out.put_slice(b"\r\n");
                }
                out.put_slice(b"\r\n");
                self.framing = Framing::Length(0);
            }
        }
        Ok(())
    }
}

/// The body of an answer, read as the client takes it. Goes on sending the request's body meanwhile.
pub(crate) struct AnswerBody {
    sender: Option<Sender>,
    end: End,
    reusable: bool,
    idle: Duration,
    deadline: Option<Instant>,
    released: Option<Box<Connection>>,
}

enum End {
    Length(u64),
    Chunked(Chunks),
    Close,
    /// Everything was read.
    Over,
}

/// Why an answer's body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerFault {
    #[error("the connection to the instance failed within the answer")]
    Connection(#[source] io::Error),
    #[error("the instance closed the connection within the answer")]
    Short,
    #[error("nothing passed in either direction for {0:?}")]
    Idle(Duration),
    #[error("the answer is not well-formed: {0}")]
    Invalid(Invalid),
    #[error("the request's body ended within the answer")]
    Body(#[source] BodyFault),
}

impl AnswerBody {
    /// How many bytes are still to come, where the head told.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.end {
            End::Length(left) => Some(left),
            End::Over => Some(0),
            End::Chunked(_) | End::Close => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.end, End::Over)
    }

    /// The connection, once, when it can take another request.
    pub(crate) fn take_released(&mut self) -> Option<Box<Connection>> {
        self.released.take()
    }

    /// The next piece. `moving`: large bodies may be moved to the client instead of being read.
    pub(crate) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        moving: Option<&Moving>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        let Some(sender) = &mut self.sender else {
            return Poll::Ready(None);
        };
        let written = sender.written;
        if let Err(fault) = sender.poll(cx) {
            return self.fail(AnswerFault::Body(fault));
        }
        let progress = sender.written > written;
        match self.poll_piece(cx, moving) {
            Poll::Ready(piece) => {
                self.deadline = None;
                self.release_if_complete();
                Poll::Ready(piece)
            }
            Poll::Pending => {
                let Some(sender) = &mut self.sender else {
                    return Poll::Pending;
                };
                if progress {
                    self.deadline = None;
                }
                if moving.is_some_and(Moving::is_held) {
                    self.deadline = None;
                    return Poll::Pending;
                }
                let deadline = *self
                    .deadline
                    .get_or_insert_with(|| Instant::now() + self.idle);
                ready!(sender.connection.poll_deadline(cx, deadline));
                let idle = self.idle;
                self.fail(AnswerFault::Idle(idle))
            }
        }
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        moving: Option<&Moving>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        loop {
            let Some(sender) = &mut self.sender else {
                return Poll::Ready(None);
            };
            let inbound = &mut sender.connection.inbound;
            match &mut self.end {
                End::Over => return Poll::Ready(None),
                End::Length(0) => {
                    self.end = End::Over;
                    return Poll::Ready(None);
                }
                End::Length(left) if !inbound.is_empty() => {
                    let length = (*left).min(inbound.len() as u64);
                    *left -= length;
                    let data = inbound.split_to(length as usize).freeze();
                    if *left == 0 {
                        self.end = End::Over;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                End::Close if !inbound.is_empty() => {
                    return Poll::Ready(Some(Ok(Frame::data(inbound.split().freeze()))));
                }
                End::Chunked(chunks) => match chunks.take(inbound) {
                    Ok(Piece::Data(data)) => {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    Ok(Piece::Trailers(trailers)) => {
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                    Ok(Piece::End) => {
                        self.end = End::Over;
                        return Poll::Ready(None);
                    }
                    Ok(Piece::More) => {}
                    Err(invalid) => return self.fail(AnswerFault::Invalid(invalid)),
                },
                End::Length(left) if *left >= LARGE && matches!(sender.state, SendState::Sent) => {
                    if let (Some(moving), Some(socket)) = (moving, sender.connection.bare())
                        && let Some(moved) = ready!(moving.poll_fill(cx, socket, *left))
                    {
                        match moved {
                            Ok(moved) if moved.is_empty() => return self.fail(AnswerFault::Short),
                            Ok(moved) => {
                                *left -= moved.len() as u64;
                                return Poll::Ready(Some(Ok(Frame::data(moved))));
                            }
                            Err(error) => return self.fail(AnswerFault::Connection(error)),
                        }
                    }
                }
                End::Length(_) | End::Close => {}
            }
            match ready!(sender.connection.poll_fill(cx)) {
                Ok(0) if matches!(self.end, End::Close) => {
                    self.end = End::Over;
                    self.sender = None;
                    return Poll::Ready(None);
                }
                Ok(0) => return self.fail(AnswerFault::Short),
                Ok(_) => {}
                Err(error) => return self.fail(AnswerFault::Connection(error)),
            }
        }
    }

    fn fail(&mut self, fault: AnswerFault) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        self.sender = None;
        self.end = End::Over;
        Poll::Ready(Some(Err(fault)))
    }

    /// Lets go of the connection as soon as the last byte is here, not when the client has taken it.
    fn release_if_complete(&mut self) {
        let inbound_over = match &mut self.end {
            End::Length(0) | End::Over => true,
            End::Chunked(chunks) => {
                // The last chunk usually came with the data before it.
                if let Some(sender) = &mut self.sender {
                    let inbound = &mut sender.connection.inbound;
                    let last = match chunks {
                        Chunks::DataEnd => inbound[..] == *b"\r\n0\r\n\r\n",
                        Chunks::Size => inbound[..] == *b"0\r\n\r\n",
                        _ => false,
                    };
                    if last {
                        let _ = chunks.take(inbound);
                    }
                }
                chunks.is_done()
            }
            _ => false,
        };
        if !inbound_over {
            return;
        }
        self.end = End::Over;
        if let Some(sender) = self.sender.take()
            && self.reusable
            && matches!(sender.state, SendState::Sent)
            && sender.connection.inbound.is_empty()
        {
            self.released = Some(sender.connection);
        }
    }
}
