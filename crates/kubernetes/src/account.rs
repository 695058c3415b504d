//! Pluvio's own account on a cluster: made once with the credential that a person gives, which is forgotten then.
//!
//! Its token is a Secret of type service-account-token. One that the API server hands out for a time would have to be renewed while
//! Pluvio runs: a control that was off for longer than its life would have lost the cluster, with no other credential to come back
//! with. This one is good until it is replaced ([`rotate`]) or its Secret is deleted, and deleting it ends it at once.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{AuthInfo, Kubeconfig, NamedAuthInfo};
use kube::{Api, Client, ResourceExt};
use pluvio_model::problem::{self, Problem};
use serde_json::{Value, json};

use crate::MANAGER;
use crate::book::Shelf;
use crate::connect::{Connection, Credential, minified};
use crate::failure::{is_not_found, is_passing, is_there, of_object, told};
use crate::permissions;
use crate::resources::Resources;

/// What the account and its Role are called.
pub(crate) const NAME: &str = "pluvio";
/// Marks the Secrets that hold tokens of the account.
const TOKEN: &str = "pluvio.io/account-token";
const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
/// How long the cluster may take to write a token into its Secret.
const WRITTEN: Duration = Duration::from_secs(15);

/// What Pluvio keeps to reach the cluster with.
#[derive(Debug, Clone)]
pub struct Kept {
    pub credential: Credential,
    pub account: Account,
}

/// Whose credential it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// Pluvio's own: `system:serviceaccount:pluvio-system:pluvio`.
    Own { user: String },
    /// The one that was given, since no lesser one could be made.
    Given { why: String },
}

/// Who the cluster says it is.
pub(crate) fn user(home: &str) -> String {
    format!("system:serviceaccount:{home}:{NAME}")
}

/// Makes the account in Pluvio's namespace `home`, or brings it to what this version of Pluvio needs. Doing it again makes
/// nothing new. Where the given credential may not do that, it is what is kept.
///
/// # Errors
/// The cluster does not answer, or the account that was made cannot be used.
pub async fn make(
    connection: &Connection,
    given: &Credential,
    home: &str,
) -> Result<Kept, Problem> {
    let client = &connection.client;
    let (own, _) = minified(given)?;
    let given = Credential {
        kubeconfig: own,
        context: None,
    };
    if is_own(client, home).await? {
        return Ok(Kept {
            credential: given,
            account: Account::Own { user: user(home) },
        });
    }
    match bring(client, home).await {
        Ok(()) => {}
        Err((what, kube::Error::Api(status))) if status.code == 403 => {
            let why = format!(
                "The credential may not make {what}: {}.",
                status.message.trim_end_matches('.')
            );
            return Ok(Kept {
                credential: given,
                account: Account::Given { why },
            });
        }
        Err((what, error)) => return Err(of_object(&what, &error)),
    }
    let token = match newest(client, home).await? {
        Some(token) => token,
        None => new_token(client, home).await?.1,
    };
    let credential = with_token(&given, &token)?;
    let again = Connection::open(&credential).await?;
    if again.identity != connection.identity {
        return Err(problem::ENGINE_FOREIGN.problem(
            "The cluster that answers the new account is another one than was asked to make it.",
            "Check the server's address in the kubeconfig: it seems to lead to several clusters.",
        ));
    }
    Ok(Kept {
        credential,
        account: Account::Own { user: user(home) },
    })
}

/// Makes a new token; the old ones still serve. Keep the new credential, then end them with [`retire`].
///
/// # Errors
/// The credential is not the account's, the cluster does not answer, or does not write the token.
pub async fn rotate(
    connection: &Connection,
    kept: &Credential,
    home: &str,
) -> Result<Credential, Problem> {
    if !is_own(&connection.client, home).await? {
        return Err(problem::REFUSED.problem(
            "The credential was given by a person: Pluvio did not make it, and cannot make a new one.",
            "Give a new kubeconfig, with `pluvio cluster add` again.",
        ));
    }
    let (_, token) = new_token(&connection.client, home).await?;
    let new = with_token(kept, &token)?;
    Connection::open(&new).await?;
    Ok(new)
}

/// Ends every token of the account but the one that `kept` has. Doing it again goes on.
///
/// # Errors
/// The cluster does not answer or refuses. A credential that is not the account's ends nothing.
pub async fn retire(connection: &Connection, kept: &Credential, home: &str) -> Result<(), Problem> {
    let text = token_of(kept).ok_or_else(|| {
        problem::REFUSED.problem(
            "The credential that is kept has no token: it is not the account's.",
            "Rotate the account's token first.",
        )
    })?;
    let secrets = Api::<Secret>::namespaced(connection.client.clone(), home);
    let all = tokens(&secrets).await?;
    if !all
        .iter()
        .any(|secret| read(secret).as_ref() == Some(&text))
    {
        return Err(problem::REFUSED.problem(
            "The token that is kept is not among the account's.",
            "Rotate the account's token first.",
        ));
    }
    for secret in all {
        if read(&secret).as_ref() == Some(&text) {
            continue;
        }
        match secrets
            .delete(&secret.name_any(), &DeleteParams::default())
            .await
        {
            Ok(_) => {}
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(of_object("an old token", &error)),
        }
    }
    Ok(())
}

async fn is_own(client: &Client, home: &str) -> Result<bool, Problem> {
    use k8s_openapi::api::authentication::v1::SelfSubjectReview;
    let reviews = Api::<SelfSubjectReview>::all(client.clone());
    let review = SelfSubjectReview::default();
    match reviews.create(&PostParams::default(), &review).await {
        Ok(review) => {
            let name = review.status.and_then(|status| status.user_info?.username);
            Ok(name.is_some_and(|name| name == user(home)))
        }
        // Not taken for a stranger because a server was busy: an account would be made anew that is there.
        Err(error) if is_passing(&error) => Err(of_object("the question who asks", &error)),
        Err(_) => Ok(false),
    }
}

/// The namespace, the account and its roles. On failure with what could not be made.
async fn bring(client: &Client, home: &str) -> Result<(), (String, kube::Error)> {
    Shelf::new(client, home)
        .make_room()
        .await
        .map_err(|error| (format!("the namespace {home}"), error))?;
    let namespace = Api::<Namespace>::all(client.clone())
        .get(home)
        .await
        .map_err(|error| (format!("the namespace {home}"), error))?;
    let resources = Resources::default();
    let params = PatchParams::apply(MANAGER).force();
    for object in objects(home, &namespace.uid().unwrap_or_default()) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (kind, name) = (
            text("/kind").unwrap_or_default(),
            text("/metadata/name").unwrap_or_default(),
        );
        let apply = async {
            let api_version = text("/apiVersion").unwrap_or_default();
            let namespace = text("/metadata/namespace");
            let api = resources.api(client, api_version, kind, namespace).await?;
            api.patch(name, &params, &Patch::Apply(&object)).await
        };
        apply
            .await
            .map_err(|error| (format!("the {kind} {name}"), error))?;
    }
    Ok(())
}

fn objects(home: &str, namespace: &str) -> Vec<Value> {
    let labels = json!({ "app.kubernetes.io/managed-by": MANAGER, "app.kubernetes.io/name": NAME });
    let here = json!({ "name": NAME, "namespace": home, "labels": labels });
    // What belongs to no namespace goes with Pluvio's: whoever deletes it could not delete his own right to do so otherwise.
    let wide = json!({
        "name": home, "labels": labels,
        "ownerReferences": [{ "apiVersion": "v1", "kind": "Namespace", "name": home, "uid": namespace }],
    });
    let rbac = "rbac.authorization.k8s.io/v1";
    let subjects = json!([{ "kind": "ServiceAccount", "name": NAME, "namespace": home }]);
    let role_of = |kind: &str, name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
    vec![
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": here,
            "automountServiceAccountToken": false,
        }),
        json!({ "apiVersion": rbac, "kind": "ClusterRole", "metadata": wide, "rules": permissions::wide(home) }),
        json!({
            "apiVersion": rbac, "kind": "ClusterRoleBinding", "metadata": wide,
            "roleRef": role_of("ClusterRole", home), "subjects": subjects,
        }),
        json!({ "apiVersion": rbac, "kind": "Role", "metadata": here, "rules": permissions::at_home(home) }),
        json!({
            "apiVersion": rbac, "kind": "RoleBinding", "metadata": here,
            "roleRef": role_of("Role", NAME), "subjects": subjects,
        }),
    ]
}

async fn tokens(secrets: &Api<Secret>) -> Result<Vec<Secret>, Problem> {
    let list = secrets.list(&ListParams::default().labels(TOKEN)).await;
    let list = list.map_err(|error| of_object("the account's tokens", &error))?;
    let ours = list.items.into_iter().filter(|secret| {
        let account = secret
            .annotations()
            .get("kubernetes.io/service-account.name");
        secret.type_.as_deref() == Some(TOKEN_TYPE)
            && account.is_some_and(|account| account == NAME)
    });
    Ok(ours.collect())
}

fn read(secret: &Secret) -> Option<String> {
    let token = &secret.data.as_ref()?.get("token")?.0;
    String::from_utf8(token.clone())
        .ok()
        .filter(|token| !token.is_empty())
}

async fn newest(client: &Client, home: &str) -> Result<Option<String>, Problem> {
    let secrets = Api::<Secret>::namespaced(client.clone(), home);
    let mut all = tokens(&secrets).await?;
    all.sort_by_key(|secret| {
        secret
            .metadata
            .creation_timestamp
            .clone()
            .map(|time| time.0)
    });
    Ok(all.iter().rev().find_map(read))
}

/// The Secret's name and the token that the cluster writes into it.
async fn new_token(client: &Client, home: &str) -> Result<(String, String), Problem> {
    let secrets = Api::<Secret>::namespaced(client.clone(), home);
    let pair = |key: &str, value: &str| [(key.to_owned(), value.to_owned())];
    let name = format!(
        "pluvio-token-{}",
        &uuid::Uuid::now_v7().simple().to_string()[20..]
    );
    let mut labels = pair("app.kubernetes.io/managed-by", MANAGER).to_vec();
    labels.extend(pair(TOKEN, NAME));
    let secret = Secret {
        metadata: ObjectMeta {
            // Chosen here: if the answer is lost it is asked for again, and is still one.
            name: Some(name.clone()),
            labels: Some(labels.into_iter().collect()),
            annotations: Some(pair("kubernetes.io/service-account.name", NAME).into()),
            ..ObjectMeta::default()
        },
        type_: Some(TOKEN_TYPE.to_owned()),
        ..Secret::default()
    };
    let params = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    match secrets.create(&params, &secret).await {
        Ok(_) => {}
        Err(error) if is_there(&error) => {}
        Err(error) => return Err(of_object("the account's token", &error)),
    }
    let written = async {
        loop {
            match secrets.get(&name).await {
                Ok(secret) => {
                    if let Some(token) = read(&secret) {
                        return Ok(token);
                    }
                }
                Err(error) => return Err(of_object("the account's token", &error)),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    match tokio::time::timeout(WRITTEN, written).await {
        Ok(token) => Ok((name, token?)),
        Err(_) => {
            if let Err(error) = secrets.delete(&name, &DeleteParams::default()).await {
                tracing::warn!(
                    name,
                    error = told(&error),
                    "a token that was never written stays"
                );
            }
            Err(problem::TIMED_OUT.problem(
                format!("The cluster did not write a token into the Secret {name} within {} seconds.", WRITTEN.as_secs()),
                "Check that the cluster's controller manager runs (`kubectl get --raw /readyz`), then try again.",
            ))
        }
    }
}

fn token_of(credential: &Credential) -> Option<String> {
    let (text, _) = minified(credential).ok()?;
    let all: Value = serde_json::from_str(&text).ok()?;
    Some(all.pointer("/users/0/user/token")?.as_str()?.to_owned())
}

/// The same cluster, by another user.
fn with_token(credential: &Credential, token: &str) -> Result<Credential, Problem> {
    let (text, _) = minified(credential)?;
    let unreadable = |error: &dyn std::fmt::Display| {
        problem::REQUEST_INVALID.problem(
            format!("The kubeconfig cannot be rewritten: {error}."),
            "Give a kubeconfig that `kubectl config view --raw --minify --flatten` wrote.",
        )
    };
    let mut all = Kubeconfig::from_yaml(&text).map_err(|error| unreadable(&error))?;
    all.auth_infos = vec![NamedAuthInfo {
        name: NAME.to_owned(),
        auth_info: Some(AuthInfo {
            token: Some(token.to_owned().into()),
            ..AuthInfo::default()
        }),
        ..NamedAuthInfo::default()
    }];
    for context in &mut all.contexts {
        if let Some(context) = &mut context.context {
            context.user = Some(NAME.to_owned());
            context.namespace = None;
        }
    }
    let kubeconfig = serde_json::to_string(&all).map_err(|error| unreadable(&error))?;
    Ok(Credential {
        kubeconfig,
        context: None,
    })
}
