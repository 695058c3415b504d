//! A container's output with the engine's own time of each line.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::Method;
use http_body_util::BodyStream;
use pluvio_runtime::driver::{DriverError, DriverLogLine};
use pluvio_runtime::{BoxStream, LogStream};

use crate::connection::{Engine, empty};
use crate::container::named;
use crate::stream::Frames;

impl Engine {
    /// Lines at or after `since`, in the engine's order; with `follow` until the container ends.
    pub async fn logs(
        &self,
        container: &str,
        since: Option<jiff::Timestamp>,
        follow: bool,
    ) -> Result<BoxStream<DriverLogLine>, DriverError> {
        let mut path =
            format!("/containers/{container}/logs?stdout=true&stderr=true&timestamps=true");
        if let Some(since) = since {
            let (seconds, nanos) = (since.as_second(), since.subsec_nanosecond());
            path.push_str(&format!("&since={seconds}"));
            if !self.is_podman() {
                path.push_str(&format!(".{nanos:09}"));
            }
        }
        if follow {
            path.push_str("&follow=true");
        }
        let response = self
            .send(Method::GET, &path, &[], empty())
            .await
            .map_err(|f| named(f, "read the log of", container))?;
        let chunks = BodyStream::new(response.into_body()).map(|frame| {
            frame
                .ok()
                .and_then(|frame| frame.into_data().ok())
                .unwrap_or_default()
        });
        let lines = lines(chunks);
        // Podman gives all of the second, see `Reader::exact`.
        Ok(match since {
            Some(since) => lines
                .filter(move |line| futures::future::ready(line.at >= since))
                .boxed(),
            None => lines.boxed(),
        })
    }
}

fn lines(chunks: impl Stream<Item = Bytes> + Send) -> impl Stream<Item = DriverLogLine> + Send {
    let mut reader = Reader::default();
    chunks.flat_map(move |chunk| futures::stream::iter(reader.push(&chunk)))
}

/// Each frame is `TIME text\n`. A long line comes in several frames, each with a time, only the last with a line end.
#[derive(Default)]
struct Reader {
    frames: Frames,
    /// For each stream the line that goes on.
    open: [Option<(jiff::Timestamp, String)>; 2],
    /// The second of the last line, and how many lines it had.
    second: (i64, i32),
}

const LINE_MAX: usize = 256 * 1024;

impl Reader {
    /// Podman 4 tells whole seconds. The lines of one second are numbered by nanoseconds: an order that is the same each
    /// time they are read, so that who resumes after a line neither misses nor repeats one.
    fn exact(&mut self, at: jiff::Timestamp) -> jiff::Timestamp {
        if at.subsec_nanosecond() != 0 {
            return at;
        }
        if self.second.0 == at.as_second() {
            self.second.1 += 1;
        } else {
            self.second = (at.as_second(), 0);
        }
        jiff::Timestamp::new(self.second.0, self.second.1).unwrap_or(at)
    }

    fn push(&mut self, bytes: &[u8]) -> Vec<DriverLogLine> {
        self.frames.push(bytes);
        let mut lines = Vec::new();
        while let Some((stream, bytes)) = self.frames.next() {
            let text = String::from_utf8_lossy(&bytes);
            let Some((time, text)) = text.split_once(' ') else {
                // `TIME\n`: an empty line, which Podman writes without the space.
                if let Ok(at) = text.trim_end().parse() {
                    let at = self.exact(at);
                    lines.push(DriverLogLine {
                        at,
                        stream,
                        text: String::new(),
                    });
                }
                continue;
            };
            let Ok(at) = time.parse::<jiff::Timestamp>() else {
                continue;
            };
            let open = &mut self.open[usize::from(stream == LogStream::Err)];
            let (at, mut line) = open.take().unwrap_or((at, String::new()));
            line.push_str(text);
            if line.ends_with('\n') || line.len() > LINE_MAX {
                line.truncate(line.trim_end_matches(['\n', '\r']).len());
                let (at, text) = (self.exact(at), line);
                lines.push(DriverLogLine { at, stream, text });
            } else {
                *open = Some((at, line));
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut wire = vec![stream, 0, 0, 0];
        wire.extend((text.len() as u32).to_be_bytes());
        wire.extend(text.as_bytes());
        wire
    }

    #[test]
    fn long_lines_are_put_together_and_streams_kept_apart() {
        let mut reader = Reader::default();
        let mut lines = reader.push(&frame(1, "2026-01-02T03:04:05.000000001Z first half, "));
        lines.extend(reader.push(&frame(2, "2026-01-02T03:04:05.000000002Z oops\n")));
        lines.extend(reader.push(&frame(1, "2026-01-02T03:04:05.000000003Z second half\n")));
        let texts: Vec<_> = lines.iter().map(|l| (l.stream, l.text.as_str())).collect();
        assert_eq!(
            texts,
            [
                (LogStream::Err, "oops"),
                (LogStream::Out, "first half, second half")
            ]
        );
        assert_eq!(lines[1].at.subsec_nanosecond(), 1);
    }

    #[test]
    fn lines_of_one_second_are_told_apart() {
        let mut reader = Reader::default();
        let wire: Vec<u8> = ["05", "05", "06", "06"]
            .iter()
            .flat_map(|second| frame(1, &format!("2026-01-02T03:04:{second}Z x\n")))
            .collect();
        let times: Vec<_> = reader.push(&wire).iter().map(|l| l.at).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    }
}
