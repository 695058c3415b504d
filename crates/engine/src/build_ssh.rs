//! A build's way to an SSH agent: BuildKit opens a stream for each connection that a step makes to its socket, and what the
//! agent says goes back on it. Keys stay with the agent.
//! (Source: github.com/moby/buildkit, session/sshforward/ssh.proto.)

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;

use bytes::{Buf, Bytes, BytesMut};
use futures::{StreamExt, stream};
use http::Response;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio_util::io::ReaderStream;
use tokio_util::task::AbortOnDropHandle;

use crate::build_session::{
    Answer, LONGEST, OK, UNAVAILABLE, UNIMPLEMENTED, answered, answering, end, field, frame,
};
use crate::image_build::fields;

pub(crate) const CHECK: &str = "/moby.sshforward.v1.SSH/CheckAgent";
pub(crate) const FORWARD: &str = "/moby.sshforward.v1.SSH/ForwardAgent";
/// The header that names the mount.
pub(crate) const ID: &str = "buildkit.ssh.id";
/// What a mount without an id asks for.
const DEFAULT: &str = "default";
/// One message's; BuildKit cuts what it sends alike.
const CHUNK: usize = 32 * 1024;

/// The sockets of agents by the ids of mounts.
pub(crate) type Agents = BTreeMap<String, PathBuf>;

fn socket<'a>(agents: &'a Agents, id: &str) -> Option<&'a PathBuf> {
    agents.get(if id.is_empty() { DEFAULT } else { id })
}

/// Whether a mount's agent is there. Of one that is not, BuildKit says so itself where a service is not implemented.
pub(crate) fn check(agents: &Agents, id: &str) -> (u8, Vec<u8>) {
    let status = socket(agents, id).map_or(UNIMPLEMENTED, |_| OK);
    (status, Vec::new())
}

/// Connects a stream with the agent of a mount until either side ends.
pub(crate) async fn forward<B>(agents: &Agents, id: &str, said: B) -> Response<Answer>
where
    B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
{
    let Some(socket) = socket(agents, id) else {
        return answered(UNIMPLEMENTED, &[]);
    };
    let Ok(stream) = UnixStream::connect(socket).await else {
        return answered(UNAVAILABLE, &[]);
    };
    let (reader, writer) = stream.into_split();
    let asking = AbortOnDropHandle::new(tokio::spawn(pass_on(said, writer)));
    let answers = ReaderStream::with_capacity(reader, CHUNK).filter_map(move |chunk| {
        // As long as there may be answers, questions are passed on.
        let _open = &asking;
        let message = chunk.map(|chunk| Ok(Frame::data(frame(&field(1, &chunk)))));
        std::future::ready(message.ok())
    });
    let last: Result<_, Infallible> = Ok(end(OK));
    let body = answers.chain(stream::iter([last]));
    answering(StreamBody::new(body).boxed_unsync())
}

/// What comes in messages goes to the agent; their end is the end of what it reads.
async fn pass_on<B>(mut said: B, mut agent: OwnedWriteHalf)
where
    B: Body<Data = Bytes, Error: Send> + Unpin,
{
    let mut messages = Messages::default();
    while let Some(Ok(part)) = said.frame().await {
        let Ok(data) = part.into_data() else { continue };
        let Some(all) = messages.push(&data) else {
            return;
        };
        for message in all {
            if agent.write_all(&message).await.is_err() {
                return;
            }
        }
    }
    let _ = agent.shutdown().await;
}

/// Messages of a stream, which comes in pieces of any size.
#[derive(Default)]
struct Messages {
    rest: BytesMut,
}

impl Messages {
    /// What the messages that are whole by now hold; `None` for a stream that is none of BuildKit's.
    fn push(&mut self, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        self.rest.extend_from_slice(bytes);
        let mut all = Vec::new();
        while let Some((head, rest)) = self.rest.split_first_chunk::<5>() {
            let [compressed, length @ ..] = *head;
            let length = u32::from_be_bytes(length) as usize;
            if compressed != 0 || length > LONGEST {
                return None;
            }
            let Some(message) = rest.get(..length) else {
                break;
            };
            let data = fields(message).into_iter().find(|(field, _)| *field == 1);
            all.extend(data.map(|(_, data)| data.to_vec()));
            self.rest.advance(5 + length);
        }
        Some(all)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixListener;

    use super::*;

    #[test]
    fn messages_come_in_pieces() {
        let wire = [
            frame(&field(1, b"one")),
            frame(&[]),
            frame(&field(1, &[7; 300])),
        ]
        .concat();
        for size in [1, 4, 7, wire.len()] {
            let mut messages = Messages::default();
            let pieces = wire.chunks(size);
            let all: Vec<Vec<u8>> = pieces.flat_map(|p| messages.push(p).unwrap()).collect();
            assert_eq!(all, [b"one".to_vec(), vec![7; 300]]);
        }
        assert!(Messages::default().push(&[1, 0, 0, 0, 0]).is_none());
        assert!(Messages::default().push(&[0, 255, 0, 0, 0]).is_none());
    }

    #[tokio::test]
    async fn a_stream_reaches_the_agent_of_its_mount() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        let agent = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            stream.read_to_end(&mut asked).await.unwrap();
            stream.write_all(b"answer to ").await.unwrap();
            stream.write_all(&asked).await.unwrap();
        });
        let agents = Agents::from([("default".to_owned(), socket)]);
        assert_eq!(check(&agents, ""), (OK, Vec::new()));
        assert_eq!(check(&agents, "other").0, UNIMPLEMENTED);

        let asked = [frame(&field(1, b"a ")), frame(&field(1, b"question"))].concat();
        let answer = forward(&agents, "", Full::new(Bytes::from(asked))).await;
        let answer = answer.into_body().collect().await.unwrap();
        assert_eq!(answer.trailers().unwrap()["grpc-status"], "0");
        let said = Messages::default().push(&answer.to_bytes()).unwrap();
        assert_eq!(said.concat(), b"answer to a question");
        agent.await.unwrap();

        let nobody = forward(&agents, "other", Full::new(Bytes::new())).await;
        let nobody = nobody.into_body().collect().await.unwrap();
        let status = UNIMPLEMENTED.to_string();
        assert_eq!(nobody.trailers().unwrap()["grpc-status"], *status);
    }
}
