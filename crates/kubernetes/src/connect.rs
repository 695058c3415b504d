//! A cluster that answers: from a kubeconfig to a client that knows whom it speaks to.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use pluvio_model::id::ClusterId;
use pluvio_model::problem::{self, Problem};

use crate::again::asking_again;
use crate::reach::Unreached;
use crate::{expiry, kubeconfig, requests};

/// How to reach a cluster.
#[derive(Clone)]
pub struct Credential {
    /// A kubeconfig's text. Never logged.
    pub kubeconfig: String,
    /// The context in it; its current one when absent.
    pub context: Option<String>,
}

/// A cluster that answered.
#[derive(Clone)]
pub struct Connection {
    pub client: Client,
    /// What tells this cluster from every other: the id of its namespace `kube-system`, made once with the cluster.
    pub identity: ClusterId,
    /// `v1.34.4`
    pub version: String,
    /// `linux/amd64`
    pub platform: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        out.debug_struct("Credential")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}
impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(out, "Connection({} {})", self.identity, self.version)
    }
}

const CONNECT: Duration = Duration::from_secs(5);
/// Watches answer when there is something to say, and say that they live every minute or so.
const SILENCE: Duration = Duration::from_secs(295);

impl Connection {
    /// Reads the kubeconfig and asks the cluster who it is.
    ///
    /// # Errors
    /// A kubeconfig that cannot be read, a cluster that does not answer or does not know the credential.
    pub async fn open(credential: &Credential) -> Result<Connection, Problem> {
        let client = client(credential).await?;
        // What a check of it would say.
        let problem_of = |error: &kube::Error| match error {
            kube::Error::Api(status) if status.code == 401 => {
                let (cause, remedy) = expiry::why_refused(credential, Timestamp::now());
                problem::REFUSED.problem(cause, remedy)
            }
            error => unreachable(error),
        };
        Connection::ask(client, problem_of).await
    }

    /// Over a client that is there already.
    pub async fn over(client: Client) -> Result<Connection, Problem> {
        Connection::identified(asking_again(client)).await
    }

    pub(crate) async fn identified(client: Client) -> Result<Connection, Problem> {
        Connection::ask(client, unreachable).await
    }

    async fn ask(
        client: Client,
        problem_of: impl Fn(&kube::Error) -> Problem,
    ) -> Result<Connection, Problem> {
        let version = client.apiserver_version().await;
        let version = version.map_err(|error| problem_of(&error))?;
        let system = Api::<Namespace>::all(client.clone());
        let system = system.get("kube-system").await;
        let system = system.map_err(|error| problem_of(&error))?;
        let identity = system
            .metadata
            .uid
            .as_deref()
            .and_then(|uid| uid.parse().ok());
        let identity = identity
            .ok_or_else(|| unusable("The cluster's namespace kube-system has no id.".to_owned()))?;
        Ok(Connection {
            client,
            identity,
            version: version.git_version,
            platform: version.platform,
        })
    }
}

/// A client of a kubeconfig; nothing is asked yet.
pub(crate) async fn client(credential: &Credential) -> Result<Client, Problem> {
    let kubeconfig = kubeconfig::read(&credential.kubeconfig)?;
    if let Some(named) = names_a_file(&kubeconfig) {
        return Err(unusable(format!(
            "The kubeconfig names {named} of the machine that reads it, which Pluvio does not follow."
        )));
    }
    if let Some(program) = runs_a_program(&kubeconfig) {
        return Err(unusable(format!(
            "The kubeconfig gets its credential from the program {program:?}, which Pluvio does not run."
        )));
    }
    let chosen = kubeconfig::chosen(&kubeconfig, credential.context.as_deref())?;
    kubeconfig::readable(&kubeconfig, &chosen)?;
    let options = KubeConfigOptions {
        context: credential.context.clone(),
        ..KubeConfigOptions::default()
    };
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| {
            let cause = format!("The kubeconfig cannot be used: {error}.");
            kubeconfig::wrong(cause, kubeconfig::ANEW)
        })?;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = Some(SILENCE);
    // Its own way of asking again knows neither what may be asked twice nor for how long.
    config.default_retry = false;
    requests::counting(config)
        .map(asking_again)
        .map_err(|error| kubeconfig::unfit(&error))
}

/// The kubeconfig with nothing in it but the context that is used, and its API server's URL.
pub(crate) fn minified(credential: &Credential) -> Result<(String, String), Problem> {
    let mut all = kubeconfig::read(&credential.kubeconfig)?;
    let chosen = kubeconfig::chosen(&all, credential.context.as_deref())?;
    let (name, server) = (chosen.name.to_owned(), chosen.server.to_owned());
    let context = chosen.context.clone();
    all.contexts.retain(|one| one.name == name);
    all.current_context = Some(name);
    all.clusters.retain(|one| one.name == context.cluster);
    all.auth_infos
        .retain(|one| Some(&one.name) == context.user.as_ref());
    // JSON is YAML.
    let text = serde_json::to_string(&all)
        .map_err(|error| unusable(format!("The kubeconfig cannot be written: {error}.")))?;
    Ok((text, server))
}

/// Whether nobody checks that the server is the one that is meant.
pub(crate) fn is_unchecked(credential: &Credential) -> bool {
    let Ok(all) = kubeconfig::read(&credential.kubeconfig) else {
        return false;
    };
    let chosen = kubeconfig::chosen(&all, credential.context.as_deref());
    chosen.is_ok_and(|chosen| chosen.cluster.insecure_skip_tls_verify == Some(true))
}

/// A kubeconfig may name files and proxies. Followed here, a kubeconfig from elsewhere would read this machine's files, and send
/// them to the server that it names.
fn names_a_file(kubeconfig: &Kubeconfig) -> Option<&'static str> {
    let users = kubeconfig.auth_infos.iter();
    let named = users
        .filter_map(|user| user.auth_info.as_ref())
        .find_map(|user| {
            let files = [
                (user.token_file.is_some(), "a token's file"),
                (user.client_certificate.is_some(), "a certificate's file"),
                (user.client_key.is_some(), "a key's file"),
            ];
            files.into_iter().find(|(is, _)| *is)
        });
    let clusters = kubeconfig.clusters.iter();
    let of_cluster = || {
        clusters
            .filter_map(|cluster| cluster.cluster.as_ref())
            .find_map(|cluster| {
                let files = [
                    (
                        cluster.certificate_authority.is_some(),
                        "a certificate's file",
                    ),
                    (cluster.proxy_url.is_some(), "a proxy"),
                ];
                files.into_iter().find(|(is, _)| *is)
            })
    };
    named.or_else(of_cluster).map(|(_, what)| what)
}

/// A kubeconfig may name programs that hand out tokens. Run here, they would run as Pluvio's own user on its machine.
fn runs_a_program(kubeconfig: &Kubeconfig) -> Option<String> {
    let mut infos = kubeconfig
        .auth_infos
        .iter()
        .filter_map(|user| user.auth_info.as_ref());
    infos.find_map(|info| {
        if let Some(exec) = &info.exec {
            return Some(exec.command.clone().unwrap_or_default());
        }
        info.auth_provider
            .as_ref()
            .map(|provider| provider.name.clone())
    })
}

fn unusable(cause: String) -> Problem {
    kubeconfig::wrong(
        cause,
        "Give a kubeconfig with a client certificate or a token, such as a service account's; `kubectl config view --raw --minify --flatten` writes one.",
    )
}

pub(crate) fn unreachable(error: &kube::Error) -> Problem {
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403) => problem::REFUSED.problem(
            format!(
                "The cluster does not accept the credential: {}.",
                status.message
            ),
            "Check that the certificate or token is this cluster's and has not expired.",
        ),
        error => {
            let why = Unreached::of(error);
            problem::CLUSTER_UNREACHABLE.problem(why.cause, why.remedy)
        }
    }
}
