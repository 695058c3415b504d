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
            path.push_str(&format!("&since={seconds}.{nanos:09}"));
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
        // Podman's `since` is exact to the second only.
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
}

const LINE_MAX: usize = 256 * 1024;

impl Reader {
    fn push(&mut self, bytes: &[u8]) -> Vec<DriverLogLine> {
        self.frames.push(bytes);
        let mut lines = Vec::new();
        while let Some((stream, bytes)) = self.frames.next() {
            let text = String::from_utf8_lossy(&bytes);
            let Some((time, text)) = text.split_once(' ') else {
                // `TIME\n`: an empty line, which Podman writes without the space.
                if let Ok(at) = text.trim_end().parse() {
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
                let text = line;
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
}
