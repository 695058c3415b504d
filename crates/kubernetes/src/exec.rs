//! Commands and connections into pods.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{AttachParams, AttachedProcess, TerminalSize};
use kube::{Api, Client};
use pluvio_model::id::ApplicationId;
use pluvio_model::name::Name;
use pluvio_model::problem;
use pluvio_model::spec::{AbsolutePath, Command, Reload};
use pluvio_runtime::{Duplex, Exec, ExecInput, ExecOutput, ExecRequest, ExecSession, RuntimeError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::KubernetesRuntime;
use crate::failure::{runtime_error, told};
use crate::parts::{Part, Role, parts};

/// A kubelet that was told of a change puts it in place within a second or two.
const HOT_FILES: Duration = Duration::from_secs(3);

/// Bytes on their way between a command and who talks to it: dumps and volumes pass here, and a kilobyte at a time they take long.
const BUFFER: usize = 64 * 1024;

impl KubernetesRuntime {
    fn pod(
        &self,
        application: ApplicationId,
        instance: &str,
    ) -> Result<(Api<Pod>, Arc<Pod>), RuntimeError> {
        let held = self
            .shared()
            .cache
            .held(|id| id == application)
            .remove(&application)
            .unwrap_or_default();
        let found = held
            .pods
            .into_iter()
            .find(|pod| pod.metadata.name.as_deref() == Some(instance));
        let missing = || RuntimeError::NotFound {
            what: format!("the instance {instance}"),
        };
        let pod = found.ok_or_else(missing)?;
        let namespace = pod.metadata.namespace.as_deref().ok_or_else(missing)?;
        let api = Api::namespaced(self.shared().client.clone(), namespace);
        Ok((api, pod))
    }
}

/// The container of a pod that is meant, which must run.
fn container(pod: &Pod, instance: &str, named: Option<&Name>) -> Result<String, RuntimeError> {
    let named = named.map_or("main", Name::as_str);
    let all = parts(pod);
    let Some(part) = all.iter().find(|part| part.called() == named) else {
        let there = all.iter().filter(|part| part.role != Role::Step);
        let there: Vec<&str> = there.map(Part::called).rev().collect();
        return Err(RuntimeError::Refused(problem::NOT_FOUND.problem(
            format!("The instance {instance} has no container {named}."),
            format!("There are: {}.", there.join(", ")),
        )));
    };
    if !part.is_running() {
        return Err(RuntimeError::Refused(problem::REFUSED.problem(
            format!("The instance {} does not run.", part.shown(instance)),
            "`pluvio status` shows why; `pluvio logs` shows what it said.",
        )));
    }
    Ok(part.name.to_owned())
}

#[async_trait]
impl Exec for KubernetesRuntime {
    async fn exec(&self, request: ExecRequest) -> Result<ExecSession, RuntimeError> {
        let instance = &request.instance;
        let (pods, pod) = self.pod(request.application, instance)?;
        let container = container(&pod, instance, request.container.as_ref())?;
        let process = run(&pods, instance, &container, &request.command, request.tty);
        let process = process.await.map_err(runtime_error)?;
        Ok(session(process, request.size))
    }

    async fn connect(
        &self,
        application: ApplicationId,
        instance: &str,
        port: u16,
    ) -> Result<Box<dyn Duplex>, RuntimeError> {
        let (pods, _) = self.pod(application, instance)?;
        let mut forwarder = pods
            .portforward(instance, &[port])
            .await
            .map_err(runtime_error)?;
        let stream = forwarder
            .take_stream(port)
            .ok_or_else(|| RuntimeError::Unreachable(format!("port {port} was not opened")))?;
        // It ends with its stream.
        tokio::spawn(async move {
            let _ = forwarder.join().await;
        });
        Ok(Box::new(stream))
    }
}

/// Starts a command in a container.
pub(crate) async fn run(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    command: &[String],
    tty: bool,
) -> Result<AttachedProcess, kube::Error> {
    let params = AttachParams::default()
        .container(container)
        .stdin(true)
        .stdout(true)
        .tty(tty)
        .stderr(!tty)
        .max_stdin_buf_size(BUFFER)
        .max_stdout_buf_size(BUFFER)
        .max_stderr_buf_size(BUFFER);
    pods.exec(pod, command, &params).await
}

/// What a command is told and says.
pub(crate) fn session(mut process: AttachedProcess, size: Option<(u16, u16)>) -> ExecSession {
    let mut sizes = process.terminal_size();
    if let (Some(sizes), Some((width, height))) = (&mut sizes, size) {
        let _ = sizes.try_send(TerminalSize { width, height });
    }
    let (output, receiver) = mpsc::channel(64);
    let (input, mut inputs) = mpsc::channel::<ExecInput>(64);
    let mut stdin = process.stdin();
    tokio::spawn(async move {
        while let Some(item) = inputs.recv().await {
            match item {
                ExecInput::Bytes(bytes) => {
                    let Some(to) = &mut stdin else { return };
                    if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
                        return;
                    }
                }
                ExecInput::Resize(width, height) => {
                    if let Some(sizes) = &mut sizes {
                        let _ = sizes.try_send(TerminalSize { width, height });
                    }
                }
                ExecInput::End => break,
            }
        }
        // A writer that is merely let go of leaves the command waiting for more.
        if let Some(mut to) = stdin {
            let _ = to.shutdown().await;
        }
        // Sizes may follow the end of the input.
        while let Some(item) = inputs.recv().await {
            if let (ExecInput::Resize(width, height), Some(sizes)) = (item, &mut sizes) {
                let _ = sizes.try_send(TerminalSize { width, height });
            }
        }
    });
    tokio::spawn(pass(process, output));
    let output = futures::stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    ExecSession {
        output: output.boxed(),
        input,
    }
}

async fn pass(mut process: AttachedProcess, to: mpsc::Sender<ExecOutput>) {
    let (out, err) = (process.stdout(), process.stderr());
    let status = process.take_status();
    let copied = async {
        tokio::join!(
            copy(out, &to, ExecOutput::Out),
            copy(err, &to, ExecOutput::Err)
        );
    };
    tokio::select! {
        () = copied => {}
        () = to.closed() => {
            process.abort();
            return;
        }
    }
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    let _ = to.send(ExecOutput::Exit(exit_code(status.as_ref()))).await;
}

/// Success, or the code among the causes.
/// (Source: k8s.io/apimachinery/pkg/util/remotecommand, `NonZeroExitCodeReason`.)
fn exit_code(status: Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Status>) -> i64 {
    let Some(status) = status else { return -1 };
    if status.status.as_deref() == Some("Success") {
        return 0;
    }
    let causes = status
        .details
        .as_ref()
        .and_then(|details| details.causes.as_ref());
    let code = causes
        .into_iter()
        .flatten()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    code.and_then(|cause| cause.message.as_deref()?.parse().ok())
        .unwrap_or(-1)
}

async fn copy(
    from: Option<impl AsyncRead + Unpin>,
    to: &mpsc::Sender<ExecOutput>,
    wrap: fn(Bytes) -> ExecOutput,
) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0
            || to
                .send(wrap(Bytes::copy_from_slice(&buffer[..read])))
                .await
                .is_err()
        {
            return;
        }
    }
}

/// Tells a program that its files have changed.
pub(crate) async fn reload(
    client: &Client,
    namespace: &str,
    pod: &str,
    container: &str,
    reloads: Vec<(AbsolutePath, Reload)>,
) {
    tokio::time::sleep(HOT_FILES).await;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for (path, reload) in reloads {
        let command = match reload {
            Reload::Command(Command::Words(words)) => words,
            Reload::Command(Command::Shell(line)) => {
                vec!["/bin/sh".to_owned(), "-c".to_owned(), line]
            }
            Reload::Signal(signal) => vec![
                "/bin/sh".to_owned(),
                "-c".to_owned(),
                format!("kill -{} 1", signal.trim_start_matches("SIG")),
            ],
        };
        let params = AttachParams::default()
            .container(container)
            .stdin(false)
            .stdout(true)
            .stderr(true);
        let ended = match pods.exec(pod, &command, &params).await {
            Ok(mut process) => {
                let status = process.take_status();
                let _ = process.join().await;
                match status {
                    Some(status) => exit_code(status.await.as_ref()),
                    None => -1,
                }
            }
            Err(error) => {
                tracing::warn!(pod, %path, error = told(&error), "a changed file could not be announced");
                continue;
            }
        };
        if ended != 0 {
            tracing::warn!(pod, %path, exit = ended, "what a changed file asks to be run failed");
        }
    }
}
