//! An operation's log: one JSON document a line in the blob store, where any process may read it while it grows.

use jiff::Timestamp;
use pluvio_model::id::OperationId;
use pluvio_model::operation::StepName;
use pluvio_store::{BlobError, BlobKey, BlobWriter, Blobs};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub at: Timestamp,
    pub step: StepName,
    /// `info`, `command`, `warning`, `error`
    pub level: String,
    pub text: String,
}

pub(crate) fn key(operation: OperationId) -> BlobKey {
    format!("logs/{operation}").parse().expect("an id is a key")
}

/// Writes an operation's log.
#[derive(Debug)]
pub struct OperationLog {
    writer: Option<BlobWriter>,
}

impl OperationLog {
    pub async fn open(blobs: &Blobs, operation: OperationId) -> OperationLog {
        let writer = blobs
            .append(&key(operation))
            .await
            .inspect_err(
                |error| tracing::warn!(%error, %operation, "the operation's log cannot be written"),
            )
            .ok();
        OperationLog { writer }
    }

    /// A log that cannot be written (a full disk) never fails the work it tells of.
    pub async fn write(&mut self, step: StepName, level: &str, text: &str) {
        let line = Line {
            at: pluvio_model::clock::now(),
            step,
            level: level.to_owned(),
            text: text.to_owned(),
        };
        let mut bytes = serde_json::to_vec(&line).expect("a line serialises");
        bytes.push(b'\n');
        if let Some(writer) = &mut self.writer
            && let Err(error) = writer.append(&bytes).await
        {
            tracing::warn!(%error, "a line of an operation's log is lost");
        }
    }

    pub async fn finish(self) {
        if let Some(writer) = self.writer {
            let _ = writer.finish().await;
        }
    }
}

/// Whole lines from byte `from` on, each with the byte after it (which is where the next reading begins).
pub async fn read_log(
    blobs: &Blobs,
    operation: OperationId,
    from: u64,
) -> Result<Vec<(u64, Line)>, BlobError> {
    let reader = match blobs.get(&key(operation), from).await {
        Ok(reader) => reader,
        Err(BlobError::NotFound(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut lines = BufReader::new(reader.file);
    let (mut at, mut out, mut text) = (from, Vec::new(), Vec::new());
    loop {
        text.clear();
        let read = lines
            .read_until(b'\n', &mut text)
            .await
            .map_err(|source| BlobError::Io {
                what: "the operation's log".into(),
                source,
            })?;
        if read == 0 || text.last() != Some(&b'\n') {
            return Ok(out);
        }
        at += read as u64;
        if let Ok(line) = serde_json::from_slice(&text) {
            out.push((at, line));
        }
    }
}
