//! Pulling a content, whole or in part; deleting one.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use pluvio_store::BlobReader;

use super::{DIGEST, Entry, empty, set, text};
use crate::failure::{Code, Failure};
use crate::name::Digest;

/// What is read at once, and how many such pieces may wait for the client.
const PIECE: usize = 512 * 1024;
const AHEAD: usize = 3;

impl Entry<'_> {
    pub(super) async fn pull(
        &self,
        digest: &Digest,
        headers: &HeaderMap,
        with_body: bool,
    ) -> Result<Response, Failure> {
        let inner = &self.registry.inner;
        let unknown = || {
            Failure::of(
                Code::BlobUnknown,
                format!("{} has no {digest}", self.repository),
            )
        };
        let held = inner
            .store
            .image_content(self.repository.as_str(), digest.as_str(), true);
        let bytes = held.await?.ok_or_else(unknown)?;
        let range = match text(headers, &header::RANGE) {
            Some(range) => Range::read(range, bytes)?,
            None => None,
        };
        let (from, length) = range.unwrap_or((0, bytes));
        let body = match with_body && length > 0 {
            true => stream(inner.blobs.get(&digest.key(), from).await?, length),
            false => Body::empty(),
        };
        if with_body {
            inner.metrics.sent(length);
        }
        let mut response = Response::new(body);
        if range.is_some() {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {from}-{}/{bytes}", from + length - 1);
            set(&mut response, header::CONTENT_RANGE, &range);
        }
        set(&mut response, header::CONTENT_LENGTH, &length.to_string());
        set(
            &mut response,
            header::CONTENT_TYPE,
            "application/octet-stream",
        );
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        set(&mut response, header::ETAG, &format!("\"{digest}\""));
        set(
            &mut response,
            header::CACHE_CONTROL,
            "private, max-age=31536000, immutable",
        );
        set(&mut response, DIGEST, digest.as_str());
        Ok(response)
    }

    pub(super) async fn delete_blob(&self, digest: &Digest) -> Result<Response, Failure> {
        let store = &self.registry.inner.store;
        match store
            .delete_image_content(self.repository.as_str(), digest.as_str())
            .await?
        {
            true => Ok(empty(StatusCode::ACCEPTED)),
            false => Err(Failure::of(
                Code::BlobUnknown,
                format!("{} has no {digest}", self.repository),
            )),
        }
    }
}

/// A thread reads ahead of the client by a few pieces.
fn stream(reader: BlobReader, length: u64) -> Body {
    let (pieces, queue) = tokio::sync::mpsc::channel(AHEAD);
    tokio::task::spawn(async move {
        let file = reader.file.into_std().await;
        let _ = tokio::task::spawn_blocking(move || {
            let mut file = std::io::Read::take(file, length);
            let mut left = length;
            while left > 0 {
                let mut buffer = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
                let read = std::io::Read::read_exact(&mut file, &mut buffer);
                left -= buffer.len() as u64;
                let piece = read.map(|()| Bytes::from(buffer));
                let failed = piece.is_err();
                // The client went away, or learns that the rest does not come.
                if pieces.blocking_send(piece).is_err() || failed {
                    return;
                }
            }
        })
        .await;
    });
    let queue = futures::stream::unfold(queue, |mut queue| async move {
        queue.recv().await.map(|piece| (piece, queue))
    });
    Body::from_stream(queue)
}

/// One part of a content: first byte and length.
struct Range;

impl Range {
    /// `None`: a form that is not understood, or several parts, for which the whole is a right answer too.
    fn read(text: &str, bytes: u64) -> Result<Option<(u64, u64)>, Failure> {
        let Some(range) = text.trim().strip_prefix("bytes=") else {
            return Ok(None);
        };
        let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else {
            return Ok(None);
        };
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let (from, end) = match (number(first), number(last)) {
            (Some(from), Some(last)) if from <= last => (from, last.saturating_add(1).min(bytes)),
            (Some(from), None) if last.trim().is_empty() => (from, bytes),
            (None, Some(last)) if first.trim().is_empty() && last > 0 => {
                (bytes.saturating_sub(last), bytes)
            }
            _ => return Ok(None),
        };
        if from >= end {
            return Err(Failure::of(
                Code::RangeInvalid,
                format!("it has {bytes} bytes"),
            ));
        }
        Ok(Some((from, end - from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_of_a_content_may_be_asked_for() {
        for (text, part) in [
            ("bytes=0-0", Some((0, 1))),
            ("bytes=2-", Some((2, 8))),
            ("bytes=-3", Some((7, 3))),
            ("bytes=5-99", Some((5, 5))),
            ("bytes=-99", Some((0, 10))),
            ("bytes=0-1,4-5", None),
            ("lines=1-2", None),
            ("bytes=5-2", None),
        ] {
            assert_eq!(Range::read(text, 10).unwrap(), part, "{text}");
        }
        assert_eq!(
            Range::read("bytes=10-", 10).unwrap_err().code,
            Code::RangeInvalid
        );
    }
}
