//! What a kubeconfig leads to, and what is wrong with one that leads nowhere, told apart: each has another remedy.

use std::error::Error as StdError;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig};
use pluvio_model::problem::{self, Problem};
use serde_json::Value;
use tokio_rustls::rustls;

use crate::failure::{end, told};

pub(crate) const ANEW: &str = "Take the kubeconfig anew from the cluster or from whoever gave it; `kubectl config view --raw --minify --flatten` writes one that is whole.";

/// The context that is used, and what it names.
pub(crate) struct Chosen<'a> {
    pub(crate) name: &'a str,
    pub(crate) context: &'a Context,
    pub(crate) cluster: &'a Cluster,
    /// The API server's URL.
    pub(crate) server: &'a str,
}

pub(crate) fn read(text: &str) -> Result<Kubeconfig, Problem> {
    if text.trim().is_empty() {
        return Err(wrong(
            "The kubeconfig is empty.",
            "Check that the right file was given; `kubectl config view --raw --minify --flatten` writes a kubeconfig.",
        ));
    }
    Kubeconfig::from_yaml(text).map_err(|error| {
        wrong(
            format!("The kubeconfig cannot be read: {}.", end(&error.to_string())),
            "Check that the file is a kubeconfig, and whole: `kubectl --kubeconfig FILE config view` reads it as well.",
        )
    })
}

/// The context of that name, or the current one, with the cluster that it leads to.
pub(crate) fn chosen<'a>(
    all: &'a Kubeconfig,
    wanted: Option<&'a str>,
) -> Result<Chosen<'a>, Problem> {
    let (name, context) = context(all, wanted)?;
    let of = &context.cluster;
    let cluster = all.clusters.iter().find(|one| one.name == *of);
    let cluster = cluster.and_then(|named| named.cluster.as_ref());
    let cluster = cluster.ok_or_else(|| {
        wrong(
            format!(
                "The context {name} names the cluster {of:?}, which the kubeconfig does not have."
            ),
            ANEW,
        )
    })?;
    let server = cluster.server.as_deref().unwrap_or_default();
    if server.is_empty() {
        return Err(wrong(
            format!("The cluster {of} of the kubeconfig has no `server`."),
            format!(
                "Write the API server's URL there: `kubectl config set-cluster {of} --server=https://HOST:6443`."
            ),
        ));
    }
    let url = server.parse::<http::Uri>().ok();
    let is_url = url.is_some_and(|url| matches!(url.scheme_str(), Some("http" | "https")));
    if !is_url {
        return Err(wrong(
            format!("The `server` of the cluster {of} is no URL: {server}."),
            "Write it as `https://HOST:PORT`; the API server's port is usually 6443.",
        ));
    }
    Ok(Chosen {
        name,
        context,
        cluster,
        server,
    })
}

fn context<'a>(
    all: &'a Kubeconfig,
    wanted: Option<&'a str>,
) -> Result<(&'a str, &'a Context), Problem> {
    let names: Vec<&str> = all.contexts.iter().map(|one| one.name.as_str()).collect();
    if names.is_empty() {
        return Err(wrong("The kubeconfig has no context.", ANEW));
    }
    let there = names.join(", ");
    let current = all.current_context.as_deref();
    let current = current.filter(|name| !name.is_empty());
    let name = wanted.or(current).ok_or_else(|| {
        wrong(
            "The kubeconfig has no current context.",
            format!("Name one of its contexts with `--context`: {there}."),
        )
    })?;
    let named = all.contexts.iter().find(|one| one.name == name);
    let context = named.and_then(|named| named.context.as_ref());
    let context = context.ok_or_else(|| {
        let cause = match wanted {
            Some(_) => format!("The kubeconfig has no context {name}."),
            None => format!("The kubeconfig's current context {name} is not among its contexts."),
        };
        wrong(
            cause,
            format!("Name one that it has with `--context`: {there}."),
        )
    })?;
    Ok((name, context))
}

/// What of the credential cannot be read, before anybody connects with it.
pub(crate) fn readable(all: &Kubeconfig, chosen: &Chosen) -> Result<(), Problem> {
    let authority = chosen.cluster.certificate_authority_data.as_deref();
    let whose = format!("the cluster {}", chosen.context.cluster);
    decoded(
        authority,
        "certificate-authority-data",
        &whose,
        "CERTIFICATE",
    )?;
    let name = chosen.context.user.as_deref();
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Ok(());
    };
    let user = all.auth_infos.iter().find(|one| one.name == name);
    let user = user.ok_or_else(|| {
        wrong(
            format!(
                "The context {} names the user {name}, whom the kubeconfig does not have.",
                chosen.name
            ),
            ANEW,
        )
    })?;
    match &user.auth_info {
        Some(user) => readable_user(user, &format!("the user {name}")),
        None => Ok(()),
    }
}

fn readable_user(user: &AuthInfo, whose: &str) -> Result<(), Problem> {
    // As it is written: the key is not shown otherwise.
    let user = serde_json::to_value(user).unwrap_or(Value::Null);
    let text = |key: &str| user[key].as_str().filter(|text| !text.is_empty());
    let (certificate, key) = (text("client-certificate-data"), text("client-key-data"));
    decoded(certificate, "client-certificate-data", whose, "CERTIFICATE")?;
    decoded(key, "client-key-data", whose, "PRIVATE KEY")?;
    let lacks = match (certificate, key) {
        (Some(_), None) => "certificate and no key to it: `client-key-data` is missing",
        (None, Some(_)) => "key and no certificate: `client-certificate-data` is missing",
        _ => return Ok(()),
    };
    Err(wrong(
        format!("The kubeconfig has, for {whose}, a client {lacks}."),
        ANEW,
    ))
}

/// `what`: of which kind the PEM inside must be.
fn decoded(data: Option<&str>, key: &str, whose: &str, what: &str) -> Result<(), Problem> {
    let Some(data) = data.filter(|data| !data.is_empty()) else {
        return Ok(());
    };
    let Ok(bytes) = STANDARD.decode(data) else {
        return Err(wrong(
            format!("`{key}` of {whose} is not base64."),
            format!(
                "It was cut or changed on its way, or holds PEM itself, which belongs there encoded (`base64 -w0 FILE`). {ANEW}"
            ),
        ));
    };
    let pem = String::from_utf8_lossy(&bytes);
    if pem.contains("-----BEGIN ") && pem.contains(&format!("{what}-----")) {
        return Ok(());
    }
    let kind = what.to_lowercase();
    Err(wrong(
        format!("`{key}` of {whose} holds no {kind} in PEM."),
        ANEW,
    ))
}

/// What of it no connection can be made with.
pub(crate) fn unfit(error: &kube::Error) -> Problem {
    let mut link: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(one) = link {
        if let Some(rustls::Error::InconsistentKeys(_)) = one.downcast_ref::<rustls::Error>() {
            return wrong(
                "The kubeconfig's client certificate and client key do not belong together.",
                "Take both from one kubeconfig: a renewed certificate usually comes with a new key.",
            );
        }
        link = one.source();
    }
    wrong(
        format!("The kubeconfig cannot be used: {}.", end(&told(error))),
        ANEW,
    )
}

pub(crate) fn wrong(cause: impl Into<String>, remedy: impl Into<String>) -> Problem {
    problem::REQUEST_INVALID.problem(cause, remedy)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One that is well, and changed.
    fn changed(change: impl FnOnce(&mut Value)) -> Result<String, Problem> {
        let certificate = STANDARD.encode("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----");
        let key = STANDARD.encode("-----BEGIN EC PRIVATE KEY-----\n-----END EC PRIVATE KEY-----");
        let mut all = json!({
            "current-context": "prod",
            "contexts": [
                { "name": "prod", "context": { "cluster": "c", "user": "u" } },
                { "name": "test", "context": { "cluster": "c", "user": "u" } },
            ],
            "clusters": [{ "name": "c", "cluster": { "server": "https://c:6443", "certificate-authority-data": certificate } }],
            "users": [{ "name": "u", "user": { "client-certificate-data": certificate, "client-key-data": key } }],
        });
        change(&mut all);
        of(&all.to_string(), None)
    }

    fn of(text: &str, context: Option<&str>) -> Result<String, Problem> {
        let all = read(text)?;
        let chosen = chosen(&all, context)?;
        readable(&all, &chosen)?;
        Ok(chosen.server.to_owned())
    }

    #[track_caller]
    fn says(result: Result<String, Problem>, cause: &str, remedy: &str) {
        let problem = result.expect_err("something is wrong");
        assert!(problem.cause.contains(cause), "{problem:?}");
        assert!(problem.remedy.contains(remedy), "{problem:?}");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_own_remedy() {
        assert_eq!(changed(|_| ()).expect("it is well"), "https://c:6443");
        says(of(" \n", None), "is empty", "right file");
        says(of("a: [", None), "cannot be read", "whole");
        says(of("{}", None), "no context", "anew");
        says(
            changed(|all| all["current-context"] = json!("prd")),
            "current context prd is not among",
            "prod, test",
        );
        says(
            changed(|all| all["current-context"] = Value::Null),
            "no current context",
            "`--context`: prod, test",
        );
        says(
            changed(|all| all["clusters"][0]["cluster"]["server"] = Value::Null),
            "no `server`",
            "set-cluster c",
        );
        says(
            changed(|all| all["clusters"][0]["cluster"]["server"] = json!("c:6443")),
            "is no URL: c:6443",
            "https://HOST:PORT",
        );
        says(
            changed(|all| all["clusters"][0]["name"] = json!("d")),
            "names the cluster \"c\"",
            "anew",
        );
        says(
            changed(|all| all["users"][0]["name"] = json!("v")),
            "names the user u",
            "anew",
        );
    }

    #[test]
    fn data_that_cannot_be_read_is_told_by_its_key() {
        let user = |key: &'static str, value: Value| {
            changed(move |all| all["users"][0]["user"][key] = value)
        };
        says(
            user("client-key-data", json!("-----BEGIN")),
            "`client-key-data` of the user u is not base64",
            "base64 -w0",
        );
        says(
            user("client-certificate-data", json!(STANDARD.encode("none"))),
            "holds no certificate",
            "anew",
        );
        says(
            user("client-key-data", Value::Null),
            "`client-key-data` is missing",
            "anew",
        );
        says(
            user("client-certificate-data", Value::Null),
            "`client-certificate-data` is missing",
            "anew",
        );
        let authority = changed(|all| {
            all["clusters"][0]["cluster"]["certificate-authority-data"] = json!("%");
        });
        says(
            authority,
            "`certificate-authority-data` of the cluster c is not base64",
            "anew",
        );
    }

    #[test]
    fn a_context_that_is_not_there_is_told_with_those_there_are() {
        let all = json!({ "contexts": [{ "name": "prod", "context": { "cluster": "c" } }] });
        says(
            of(&all.to_string(), Some("prd")),
            "has no context prd",
            "`--context`: prod",
        );
    }
}
