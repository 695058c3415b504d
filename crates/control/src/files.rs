//! The files of a volume, as the node's hand reaches them.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use pluvio_model::files::{FileEntry, Folder, Measured};
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::{
    BoxStream, ExecInput, ExecOutput, ExecSession, HandRequest, HandVerb, RuntimeError,
};
use pluvio_store::VolumeRow;
use serde::de::DeserializeOwned;

use crate::Control;
use crate::volumes::never_made;

/// An answer's first line is no longer.
const LINE: usize = 8 << 20;
/// What is sent at once.
const CHUNK: usize = 256 << 10;

/// A file's content, or a folder as a tar archive.
pub struct FileContent {
    pub entry: FileEntry,
    /// Breaks off with an error if it cannot be read to its end.
    pub content: BoxStream<std::io::Result<Bytes>>,
}

impl std::fmt::Debug for FileContent {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "FileContent({})", self.entry.name)
    }
}

impl Control {
    pub async fn list_files(
        &self,
        volume: &VolumeRow,
        path: &str,
        limit: usize,
    ) -> Result<Folder, Problem> {
        let path = path.to_owned();
        self.ask_hand(volume, HandVerb::List { path, limit }).await
    }

    /// `most`: no more than so many bytes of a file.
    pub async fn read_file(
        &self,
        volume: &VolumeRow,
        path: &str,
        most: Option<u64>,
    ) -> Result<FileContent, Problem> {
        let path = path.to_owned();
        let mut hand = self.hand(volume, HandVerb::Read { path, most }).await?;
        let entry = hand.line().await?;
        Ok(FileContent {
            entry,
            content: hand.rest(),
        })
    }

    /// Takes exactly `length` bytes, or leaves everything as it was.
    pub async fn write_file<E>(
        &self,
        volume: &VolumeRow,
        path: &str,
        length: u64,
        replace: bool,
        content: impl Stream<Item = Result<Bytes, E>> + Send,
    ) -> Result<FileEntry, Problem> {
        let verb = HandVerb::Write {
            path: path.to_owned(),
            length,
            replace,
        };
        let mut hand = self.hand(volume, verb).await?;
        let mut content = std::pin::pin!(content);
        'sending: while let Some(Ok(mut bytes)) = content.next().await {
            while !bytes.is_empty() {
                let part = bytes.split_to(bytes.len().min(CHUNK));
                // It has ended already, and says why below.
                if hand
                    .session
                    .input
                    .send(ExecInput::Bytes(part))
                    .await
                    .is_err()
                {
                    break 'sending;
                }
            }
        }
        let _ = hand.session.input.send(ExecInput::End).await;
        hand.line().await
    }

    pub async fn make_folder(&self, volume: &VolumeRow, path: &str) -> Result<FileEntry, Problem> {
        let path = path.to_owned();
        self.ask_hand(volume, HandVerb::MakeFolder { path }).await
    }

    pub async fn remove_file(
        &self,
        volume: &VolumeRow,
        path: &str,
        recursive: bool,
    ) -> Result<FileEntry, Problem> {
        let path = path.to_owned();
        self.ask_hand(volume, HandVerb::Remove { path, recursive })
            .await
    }

    pub(crate) async fn measure(&self, volume: &VolumeRow) -> Result<Measured, Problem> {
        self.ask_hand(volume, HandVerb::Measure).await
    }

    async fn ask_hand<T: DeserializeOwned>(
        &self,
        volume: &VolumeRow,
        verb: HandVerb,
    ) -> Result<T, Problem> {
        self.hand(volume, verb).await?.line().await
    }

    async fn hand(&self, volume: &VolumeRow, verb: HandVerb) -> Result<Hand, Problem> {
        if volume.filling.is_some() {
            return Err(volume.unusable().unwrap_or_else(|| never_made(volume)));
        }
        let handle = volume.handle.clone().ok_or_else(|| never_made(volume))?;
        let session = self
            .place_of(volume.cluster)?
            .reach(HandRequest { handle, verb })
            .await
            .map_err(RuntimeError::into_problem)?;
        Ok(Hand {
            session,
            said: BytesMut::new(),
            complaint: BytesMut::new(),
        })
    }
}

/// What is under way in a volume. Dropped, it ends.
struct Hand {
    session: ExecSession,
    said: BytesMut,
    complaint: BytesMut,
}

impl Hand {
    /// The first line of the answer.
    async fn line<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        loop {
            if let Some(end) = self.said.iter().position(|byte| *byte == b'\n') {
                let line = self.said.split_to(end + 1);
                return serde_json::from_slice(&line).map_err(|error| broken(&error.to_string()));
            }
            match self.session.output.next().await {
                Some(ExecOutput::Out(bytes)) if self.said.len() < LINE => {
                    self.said.extend_from_slice(&bytes);
                }
                Some(ExecOutput::Out(_)) => return Err(broken("its answer is too long")),
                Some(ExecOutput::Err(bytes)) => self.complaint.extend_from_slice(&bytes),
                Some(ExecOutput::Exit(_)) | None => return Err(self.problem()),
            }
        }
    }

    fn problem(&self) -> Problem {
        let said = String::from_utf8_lossy(&self.complaint);
        // The engine may have words of its own around it.
        let line = said.find('{').map_or("", |start| &said[start..]);
        let mut found = serde_json::Deserializer::from_str(line).into_iter::<Problem>();
        found.next().and_then(Result::ok).unwrap_or_else(|| {
            broken(match said.trim() {
                "" => "it ended without an answer",
                said => said,
            })
        })
    }

    /// What comes after the first line.
    fn rest(self) -> BoxStream<std::io::Result<Bytes>> {
        let first = self.said.freeze();
        let first = (!first.is_empty()).then_some(Ok(first));
        let session = (self.session, false);
        let rest = futures::stream::unfold(session, |(mut session, over)| async move {
            if over {
                return None;
            }
            loop {
                let item = match session.output.next().await {
                    Some(ExecOutput::Out(bytes)) => Ok(bytes),
                    Some(ExecOutput::Err(_)) => continue,
                    Some(ExecOutput::Exit(0)) => return None,
                    Some(ExecOutput::Exit(_)) | None => {
                        Err(std::io::Error::other("the file was not read to its end"))
                    }
                };
                let over = item.is_err();
                return Some((item, (session, over)));
            }
        });
        Box::pin(futures::stream::iter(first).chain(rest))
    }
}

fn broken(why: &str) -> Problem {
    problem::ENGINE_FAILED.problem(
        format!("The volume could not be reached: {why}."),
        "Try again; `pluvio doctor` checks the engine.",
    )
}
