//! Commands in running containers.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use pluvio_runtime::driver::DriverError;
use pluvio_runtime::{ExecInput, ExecOutput, ExecSession, LogStream};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::connection::{Engine, json_body};
use crate::container::{ExecCommand, named};
use crate::error::Failure;
use crate::stream::{Frames, Lines};

/// One line of a command's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    pub stream: LogStream,
    pub text: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandEnd {
    pub code: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecAnswer {
    #[serde(default)]
    running: bool,
    #[serde(default)]
    exit_code: Option<i64>,
    #[serde(default)]
    pid: i64,
    #[serde(default, rename = "ContainerID")]
    container: String,
}

/// A started command's raw connection.
struct Attached {
    id: String,
    stream: Box<dyn ReadWrite>,
}

trait ReadWrite: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ReadWrite for T {}

impl Engine {
    async fn attach_exec(
        &self,
        container: &str,
        command: &ExecCommand,
        input: bool,
    ) -> Result<Attached, DriverError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let fail = |f: Failure| named(f, "run a command in", container);
        let mut body = json!({
            "AttachStdin": input,
            "AttachStdout": true,
            "AttachStderr": true,
            "Tty": command.tty,
            "Cmd": command.command,
            "Env": command.env,
        });
        if let Some(user) = &command.user {
            body["User"] = json!(user);
        }
        if let Some(dir) = &command.working_dir {
            body["WorkingDir"] = json!(dir);
        }
        if command.privileged {
            body["Privileged"] = json!(true);
        }
        let created: Created = self
            .post(&format!("/containers/{container}/exec"), &body)
            .await
            .map_err(fail)?;
        let path = format!("/exec/{}/start", created.id);
        let start = self.send(
            Method::POST,
            &path,
            &[
                (header::CONTENT_TYPE, "application/json"),
                (header::CONNECTION, "Upgrade"),
                (header::UPGRADE, "tcp"),
            ],
            json_body(&json!({ "Detach": false, "Tty": command.tty })),
        );
        let response = tokio::time::timeout(Duration::from_secs(60), start)
            .await
            .unwrap_or_else(|_| Err(Failure::Connection("no answer within 60 s".to_owned())))
            .map_err(fail)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let text = response.into_body().collect().await;
            let text = text.map(|body| body.to_bytes()).unwrap_or_default();
            return Err(fail(Failure::Body(format!(
                "no connection to the command: {}",
                String::from_utf8_lossy(&text)
            ))));
        }
        let upgraded = hyper::upgrade::on(response)
            .await
            .map_err(|e| fail(Failure::Connection(e.to_string())))?;
        if let (true, Some((columns, rows))) = (command.tty, command.size) {
            self.resize_exec(&created.id, columns, rows).await;
        }
        Ok(Attached {
            id: created.id,
            stream: Box::new(TokioIo::new(upgraded)),
        })
    }

    async fn resize_exec(&self, exec: &str, columns: u16, rows: u16) {
        // The command may have ended meanwhile: then there is nothing to resize.
        let path = format!("/exec/{exec}/resize?h={rows}&w={columns}");
        let _ = self.tell(Method::POST, &path).await;
    }

    /// Waits until the engine knows how the command ended: its output may end a moment before.
    async fn exec_code(&self, exec: &str) -> Result<i64, Failure> {
        let mut pause = Duration::from_millis(2);
        loop {
            let answer: ExecAnswer = self.get(&format!("/exec/{exec}/json")).await?;
            if let (false, Some(code)) = (answer.running, answer.exit_code) {
                return Ok(code);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Runs a command to its end, its lines given as they come. Dropping the future leaves the command running: who
    /// cancels removes the container.
    pub async fn run_in_container(
        &self,
        container: &str,
        command: &ExecCommand,
        mut line: impl FnMut(CommandLine) + Send,
    ) -> Result<CommandEnd, DriverError> {
        let mut attached = self.attach_exec(container, command, false).await?;
        let mut frames = Frames::default();
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let read = match attached.stream.read(&mut buffer).await {
                Ok(0) => break,
                Ok(read) => read,
                // The container was removed under it.
                Err(_) => break,
            };
            frames.push(&buffer[..read]);
            while let Some((stream, bytes)) = frames.next() {
                let lines = if stream == LogStream::Err {
                    &mut err
                } else {
                    &mut out
                };
                lines.push(&bytes, |text| line(CommandLine { stream, text }));
            }
        }
        for (lines, stream) in [(&mut out, LogStream::Out), (&mut err, LogStream::Err)] {
            if let Some(text) = lines.rest() {
                line(CommandLine { stream, text });
            }
        }
        let code = self
            .exec_code(&attached.id)
            .await
            .map_err(|f| named(f, "run a command in", container))?;
        Ok(CommandEnd { code })
    }

    /// A command with its input, if somebody writes to it: a terminal if the command asks for one.
    pub async fn exec_session(
        &self,
        container: &str,
        command: &ExecCommand,
        takes_input: bool,
    ) -> Result<ExecSession, DriverError> {
        let attached = self.attach_exec(container, command, takes_input).await?;
        let (input, input_receiver) = mpsc::channel(64);
        let (output, output_receiver) = mpsc::channel(64);
        let session = Session {
            engine: self.clone(),
            exec: attached.id,
            tty: command.tty,
        };
        tokio::spawn(session.pump(attached.stream, input_receiver, output));
        Ok(ExecSession {
            output: tokio_stream::wrappers::ReceiverStream::new(output_receiver).boxed(),
            input,
        })
    }
}

struct Session {
    engine: Engine,
    exec: String,
    tty: bool,
}

impl Session {
    /// Carries bytes both ways until the command ends or the user is gone.
    async fn pump(
        self,
        stream: Box<dyn ReadWrite>,
        mut input: mpsc::Receiver<ExecInput>,
        output: mpsc::Sender<ExecOutput>,
    ) {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let mut frames = Frames::default();
        let mut buffer = vec![0; 16 * 1024];
        let mut open = true;
        loop {
            tokio::select! {
                read = reader.read(&mut buffer) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(read) if self.tty => {
                        let bytes = Bytes::copy_from_slice(&buffer[..read]);
                        if output.send(ExecOutput::Out(bytes)).await.is_err() {
                            return self.end().await;
                        }
                    }
                    Ok(read) => {
                        frames.push(&buffer[..read]);
                        while let Some((stream, bytes)) = frames.next() {
                            let item = match stream {
                                LogStream::Err => ExecOutput::Err(bytes),
                                _ => ExecOutput::Out(bytes),
                            };
                            if output.send(item).await.is_err() {
                                return self.end().await;
                            }
                        }
                    }
                },
                asked = input.recv(), if open => match asked {
                    Some(ExecInput::Bytes(bytes)) => {
                        // A command that closed its input may still have output.
                        let _ = writer.write_all(&bytes).await;
                        let _ = writer.flush().await;
                    }
                    Some(ExecInput::Resize(columns, rows)) => {
                        self.engine.resize_exec(&self.exec, columns, rows).await;
                    }
                    Some(ExecInput::End) | None => {
                        open = false;
                        if !self.tty {
                            let _ = writer.shutdown().await;
                        }
                    }
                },
                () = output.closed() => return self.end().await,
            }
        }
        let code = self.engine.exec_code(&self.exec).await.unwrap_or(-1);
        let _ = output.send(ExecOutput::Exit(code)).await;
    }

    /// The user is gone: the command gets a hang-up, as a closed terminal gives it. No API says that, so it is a signal
    /// to its process on this machine, if that process is the container's for certain.
    async fn end(self) {
        let path = format!("/exec/{}/json", self.exec);
        let Ok(answer) = self.engine.get::<ExecAnswer>(&path).await else {
            return;
        };
        let Some(pid) = i32::try_from(answer.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        else {
            return;
        };
        let cgroup = tokio::fs::read_to_string(format!("/proc/{}/cgroup", answer.pid)).await;
        let ours = cgroup
            .is_ok_and(|text| !answer.container.is_empty() && text.contains(&answer.container));
        if answer.running && ours {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::HUP);
        }
    }
}
