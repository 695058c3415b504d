//! A look at a cluster, step by step, before it is taken in and whenever somebody wants to know: what is there, what is missing, and
//! how to come by it. Changes nothing.

use std::future::Future;
use std::ops::RangeInclusive;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use pluvio_model::cluster::{CheckName, CheckReport, CheckState, CheckStep, ClusterFindings};
use pluvio_model::problem;

use crate::Config;
use crate::account;
use crate::connect::{Connection, Credential, client, is_unchecked, minified};
use crate::permissions::{self, Question, RULES, TO_MAKE_AN_ACCOUNT};
use crate::reach::Unreached;
use crate::survey;
use crate::{expiry, failure};

/// Minor versions of Kubernetes 1 that Pluvio works with. The oldest knows `preStop: sleep` and restartable init containers
/// without a feature gate, which rolling updates and sidecars rest on. The tests run on both ends (`scripts/kubernetes versions`).
pub const SUPPORTED: RangeInclusive<u32> = 30..=34;

/// The longest that one step may take.
const STEP: Duration = Duration::from_secs(5);
/// Questions about permissions that are asked at once: each is small, and a cluster far away answers each a while later.
const AT_ONCE: usize = 24;

/// Looks at the cluster that the credential leads to. Never fails: what goes wrong is in the report. Takes no longer than
/// five seconds for each of its four rounds.
pub async fn check(credential: &Credential) -> CheckReport {
    check_at(credential, &Config::default().namespace).await
}

/// [`check`], where Pluvio's own namespace is called `home`.
pub async fn check_at(credential: &Credential, home: &str) -> CheckReport {
    let mut report = CheckReport {
        at: Timestamp::now(),
        server: minified(credential).ok().map(|(_, server)| server),
        identity: None,
        version: None,
        steps: Vec::new(),
        findings: ClusterFindings::default(),
    };
    Box::pin(look(credential, home, &mut report)).await;
    let seen: Vec<CheckName> = report.steps.iter().map(|step| step.name).collect();
    let missed = ALL.iter().filter(|name| !seen.contains(name));
    report.steps.extend(missed.map(|name| CheckStep {
        name: *name,
        state: CheckState::Skipped,
        found: "An earlier step failed.".to_owned(),
        details: Vec::new(),
        remedy: None,
    }));
    report.steps.sort_by_key(|step| step.name);
    report
}

const ALL: [CheckName; 11] = [
    CheckName::Kubeconfig,
    CheckName::Reach,
    CheckName::Identity,
    CheckName::Version,
    CheckName::Permissions,
    CheckName::Account,
    CheckName::StorageClasses,
    CheckName::Ingress,
    CheckName::NetworkPolicies,
    CheckName::Metrics,
    CheckName::Nodes,
];

async fn look(credential: &Credential, home: &str, report: &mut CheckReport) {
    let client = match client(credential).await {
        Ok(client) => client,
        Err(problem) => {
            let step = failed(CheckName::Kubeconfig, problem.cause).remedy(problem.remedy);
            report.steps.push(step);
            return;
        }
    };
    let server = report.server.as_deref().unwrap_or("a server");
    let step = match is_unchecked(credential) {
        true => unchecked(server),
        false => passed(CheckName::Kubeconfig, format!("It leads to {server}.")),
    };
    report.steps.push(step);
    // A server that refuses the credential even here is one that answers.
    let version = match within(client.apiserver_version()).await {
        Ok(info) => Some(info),
        Err(Failure::Answered(kube::Error::Api(status))) if matches!(status.code, 401 | 403) => {
            None
        }
        Err(failure) => {
            let why = failure.unreached();
            report
                .steps
                .push(failed(CheckName::Reach, why.cause).remedy(why.remedy));
            return;
        }
    };
    report
        .steps
        .push(passed(CheckName::Reach, "The API server answers."));
    if let Some(info) = &version {
        report.version = Some(info.git_version.trim_start_matches('v').to_owned());
        report
            .steps
            .push(of_version(&info.major, &info.minor, &info.git_version));
    }
    let Some(user) = identity(credential, &client, report).await else {
        return;
    };
    if report
        .step(CheckName::Version)
        .is_none_or(|step| step.state == CheckState::Failed)
    {
        return;
    }
    let ((permissions, account), seen) = tokio::join!(
        allowed(&client, &user, home, &mut report.findings),
        survey::survey(&client)
    );
    report.steps.extend([permissions, account]);
    report.steps.extend(seen.steps);
    let found = &mut report.findings;
    found.user = Some(user);
    found.storage_classes = seen.findings.storage_classes;
    found.gateway_api = seen.findings.gateway_api;
    found.gateways = seen.findings.gateways;
    found.load_balancer = seen.findings.load_balancer;
    found.node_addresses = seen.findings.node_addresses;
    found.network_policies = seen.findings.network_policies;
    found.metrics = seen.findings.metrics;
    found.architectures = seen.findings.architectures;
    found.nodes = seen.findings.nodes;
    found.ready_nodes = seen.findings.ready_nodes;
}

fn unchecked(server: &str) -> CheckStep {
    let found = format!(
        "It leads to {server}, and does not ask whether that is the cluster (`insecure-skip-tls-verify`)."
    );
    warning(CheckName::Kubeconfig, found).remedy(
        "Whoever is in between can pretend to be the cluster and take the credential. Put the authority of the cluster's certificate there instead: `certificate-authority-data`.",
    )
}

/// How a request ended that was given a time.
pub(crate) enum Failure {
    TooLate,
    Answered(kube::Error),
}

impl Failure {
    fn unreached(&self) -> Unreached {
        match self {
            Failure::TooLate => Unreached::too_late(STEP.as_secs()),
            Failure::Answered(error) => Unreached::of(error),
        }
    }

    pub(crate) fn told(&self) -> String {
        match self {
            Failure::TooLate => format!("no answer within {} seconds", STEP.as_secs()),
            Failure::Answered(error) => failure::told(error).trim_end_matches('.').to_owned(),
        }
    }

    pub(crate) fn is(&self, wanted: u16) -> bool {
        matches!(self, Failure::Answered(kube::Error::Api(status)) if status.code == wanted)
    }
}

pub(crate) async fn within<T>(
    asking: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(STEP, asking).await {
        Ok(answer) => answer.map_err(Failure::Answered),
        Err(_) => Err(Failure::TooLate),
    }
}

/// Who the cluster says is asking; `None`: it does not know.
async fn identity(
    credential: &Credential,
    client: &Client,
    report: &mut CheckReport,
) -> Option<String> {
    let who = Api::<SelfSubjectReview>::all(client.clone());
    let (params, review) = (PostParams::default(), SelfSubjectReview::default());
    let (who, cluster) = tokio::join!(
        within(who.create(&params, &review)),
        tokio::time::timeout(STEP, Connection::identified(client.clone()))
    );
    let name = CheckName::Identity;
    if who.as_ref().err().is_some_and(|failure| failure.is(401)) {
        report.steps.push(refused(credential));
        return None;
    }
    const NOBODY: &str = "system:anonymous";
    let user = match who {
        Ok(review) => review
            .status
            .and_then(|status| status.user_info?.username)
            .unwrap_or_default(),
        // Everybody who is known may ask who he is.
        Err(failure) if failure.is(403) && failure.told().contains(NOBODY) => NOBODY.to_owned(),
        // Clusters that are too old for the question are told so by their version.
        Err(_) => String::new(),
    };
    if user == NOBODY {
        let step = failed(
            name,
            "The kubeconfig has no credential: the cluster sees an anonymous user.",
        );
        report.steps.push(step.remedy(
            "Give a kubeconfig whose user has a client certificate or a token; `kubectl config view --raw --minify --flatten` writes one.",
        ));
        return None;
    }
    match cluster {
        Ok(Ok(connection)) => {
            report.identity = Some(connection.identity);
            let found = format!("The cluster knows the credential as {user}.");
            report.steps.push(match ends_soon(credential) {
                Some(at) => warning(name, found)
                    .detail(format!("It ends at {at}."))
                    .remedy("Pluvio makes an account of its own that does not end, where it may; otherwise give a new credential before then."),
                None => passed(name, found),
            });
            Some(user)
        }
        Ok(Err(problem)) if problem.is(problem::REFUSED) => {
            let found = format!(
                "The cluster knows the credential as {user}, and does not let it read the namespace kube-system, whose id tells clusters apart."
            );
            report.steps.push(failed(name, found).remedy(
                "Give a kubeconfig of a cluster administrator: Pluvio makes a lesser account with it and forgets it. Without one, allow this user `get namespaces`.",
            ));
            None
        }
        Ok(Err(problem)) => {
            report
                .steps
                .push(failed(name, problem.cause).remedy(problem.remedy));
            None
        }
        Err(_) => {
            let why = Unreached::too_late(STEP.as_secs());
            report
                .steps
                .push(failed(name, why.cause).remedy(why.remedy));
            None
        }
    }
}

fn refused(credential: &Credential) -> CheckStep {
    let (cause, remedy) = expiry::why_refused(credential, Timestamp::now());
    failed(CheckName::Identity, cause).remedy(remedy)
}

/// Within a month.
fn ends_soon(credential: &Credential) -> Option<Timestamp> {
    let end = expiry::of(credential).to?;
    let month = Timestamp::now() + jiff::SignedDuration::from_hours(30 * 24);
    (end < month).then_some(end)
}

fn of_version(major: &str, minor: &str, full: &str) -> CheckStep {
    let name = CheckName::Version;
    // Some providers write `31+`.
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    let (oldest, newest) = (SUPPORTED.start(), SUPPORTED.end());
    let range = format!("Pluvio works with 1.{oldest} to 1.{newest}");
    match digits.parse::<u32>() {
        Ok(minor) if major == "1" && SUPPORTED.contains(&minor) => {
            passed(name, format!("Kubernetes {full}."))
        }
        Ok(minor) if major == "1" && minor > *newest => warning(
            name,
            format!("Kubernetes {full} is newer than Pluvio was tested with: {range}."),
        )
        .remedy("It probably works. Upgrade Pluvio when a newer version names this one."),
        Ok(_) if major == "1" => failed(name, format!("Kubernetes {full} is too old: {range}."))
            .remedy("Upgrade the cluster, one minor version after the other."),
        _ => failed(
            name,
            format!("The cluster says that it is version {full}: {range}."),
        )
        .remedy("Check that the address is that of a Kubernetes API server."),
    }
}

/// What the credential may do of what Pluvio does, and whether it can make an account.
async fn allowed(
    client: &Client,
    user: &str,
    home: &str,
    findings: &mut ClusterFindings,
) -> (CheckStep, CheckStep) {
    let name = CheckName::Permissions;
    let (mut missing, making) = if may(client, &everything()).await.unwrap_or_default() {
        (Ok(Vec::new()), Ok(Vec::new()))
    } else {
        tokio::join!(
            missing(client, permissions::questions(RULES, home)),
            missing(client, permissions::questions(TO_MAKE_AN_ACCOUNT, home))
        )
    };
    if let Ok(missing) = &mut missing {
        missing.sort_by_key(|question| question.only_for.is_some());
        findings.missing_permissions = missing.iter().map(Question::to_string).collect();
    }
    let runs = match &missing {
        Err(failure) => failed(
            name,
            format!(
                "The cluster does not say what is allowed: {}.",
                failure.told()
            ),
        )
        .remedy("Check again; if it stays so, look at the API server's log."),
        Ok(missing) if missing.is_empty() => {
            passed(name, "Everything that Pluvio does is allowed.")
        }
        Ok(missing) => {
            let details = missing.iter().map(|question| match question.only_for {
                Some(what) => format!("{question} (for {what})"),
                None => question.to_string(),
            });
            let needed = missing.iter().filter(|one| one.only_for.is_none()).count();
            let mut step = if needed > 0 {
                failed(name, format!("{} permissions are missing.", missing.len())).remedy(
                    "Give a kubeconfig of a cluster administrator: Pluvio makes a lesser account with it and forgets it. Or have the named permissions granted to this user.",
                )
            } else {
                warning(name, format!("{} permissions are missing, for features that may not be needed.", missing.len()))
                    .remedy("Have the named permissions granted to this user, or give a kubeconfig of a cluster administrator.")
            };
            step.details = details.collect();
            step
        }
    };
    let name = CheckName::Account;
    let is_own = user == account::user(home);
    // Nobody can grant what he does not hold.
    let can_make = !is_own
        && missing.as_ref().is_ok_and(Vec::is_empty)
        && making.as_ref().is_ok_and(Vec::is_empty);
    findings.can_make_account = can_make;
    let account = if is_own {
        passed(name, "This is the account that Pluvio made for itself.")
    } else if can_make {
        passed(
            name,
            format!("An account with only what Pluvio needs can be made in the namespace {home}."),
        )
    } else {
        let mut step = warning(
            name,
            "No lesser account can be made with this credential: Pluvio keeps the one that is given.",
        )
        .remedy("Give a kubeconfig of a cluster administrator once: it is not kept when an account can be made.");
        step.details = making.iter().flatten().map(Question::to_string).collect();
        step
    };
    (runs, account)
}

fn everything() -> ResourceAttributes {
    let any = || Some("*".to_owned());
    ResourceAttributes {
        group: any(),
        resource: any(),
        verb: any(),
        ..ResourceAttributes::default()
    }
}

async fn may(client: &Client, what: &ResourceAttributes) -> Result<bool, Failure> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(what.clone()),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let params = PostParams::default();
    let answer = within(reviews.create(&params, &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Those that are not allowed.
async fn missing(client: &Client, asked: Vec<Question>) -> Result<Vec<Question>, Failure> {
    let asking = stream::iter(asked).map(|question| async move {
        let owned = str::to_owned;
        let attributes = ResourceAttributes {
            group: Some(question.group.to_owned()),
            resource: Some(question.resource.to_owned()),
            subresource: question.subresource.map(owned),
            verb: Some(question.verb.to_owned()),
            namespace: question.namespace.clone(),
            name: question.name.clone(),
            ..ResourceAttributes::default()
        };
        let allowed = may(client, &attributes).await;
        allowed.map(|allowed| (!allowed).then_some(question))
    });
    // The first that is not answered ends it. A server that asks for patience now and then answers each of them late at most.
    let all = asking.buffered(AT_ONCE).try_collect::<Vec<_>>();
    let all = tokio::time::timeout(STEP * 4, all)
        .await
        .map_err(|_| Failure::TooLate)?;
    Ok(all?.into_iter().flatten().collect())
}

pub(crate) fn passed(name: CheckName, found: impl Into<String>) -> CheckStep {
    step(name, CheckState::Passed, found)
}
pub(crate) fn warning(name: CheckName, found: impl Into<String>) -> CheckStep {
    step(name, CheckState::Warning, found)
}
pub(crate) fn failed(name: CheckName, found: impl Into<String>) -> CheckStep {
    step(name, CheckState::Failed, found)
}

fn step(name: CheckName, state: CheckState, found: impl Into<String>) -> CheckStep {
    CheckStep {
        name,
        state,
        found: found.into(),
        details: Vec::new(),
        remedy: None,
    }
}

/// Told bit by bit.
pub(crate) trait Telling {
    fn remedy(self, remedy: impl Into<String>) -> Self;
    fn detail(self, detail: impl Into<String>) -> Self;
}

impl Telling for CheckStep {
    fn remedy(mut self, remedy: impl Into<String>) -> CheckStep {
        self.remedy = Some(remedy.into());
        self
    }
    fn detail(mut self, detail: impl Into<String>) -> CheckStep {
        self.details.push(detail.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_out_of_the_range_are_told() {
        let state = |major: &str, minor: &str| of_version(major, minor, "v1.x").state;
        assert_eq!(state("1", "34"), CheckState::Passed);
        assert_eq!(state("1", "30+"), CheckState::Passed);
        assert_eq!(state("1", "29"), CheckState::Failed);
        assert_eq!(state("1", "99"), CheckState::Warning);
        assert_eq!(state("2", "0"), CheckState::Failed);
        assert_eq!(state("", ""), CheckState::Failed);
    }
}
