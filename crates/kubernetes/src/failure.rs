//! What a cluster answers, in Pluvio's words.

use kube::Error;
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::RuntimeError;

use crate::refusal;

/// Our own, for an object that is not ours to write; no API server answers it.
pub(crate) const FOREIGN: u16 = 499;
/// Its reason when that object is about to go, and the name to be free.
pub(crate) const LEAVING: &str = "ForeignLeaving";

pub(crate) fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 404)
}

/// What the object was to be made in is not there.
pub(crate) fn is_without_namespace(error: &Error) -> bool {
    let of = |status: &kube::core::Status| {
        let details = status.details.as_ref();
        details.is_some_and(|details| details.kind == "namespaces")
    };
    matches!(error, Error::Api(status) if status.code == 404 && of(status))
}

pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 409)
}

/// What was to be made is there already: somebody made it, or the answer to our own asking was lost.
pub(crate) fn is_there(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists")
}

/// A list that is read in pages lasted too long: it is read from its beginning.
pub(crate) fn is_expired(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 410)
}

/// A field that cannot be changed was changed, or the object is wrong.
pub(crate) fn is_invalid(error: &Error) -> bool {
    matches!(error, Error::Api(status) if status.code == 422)
}

/// All that is wrong with the object is that it would change what cannot be changed: it could be made anew. (Source: the words of
/// ValidateImmutableField in apimachinery, and of the validations of workloads' updates.)
pub(crate) fn is_unchangeable(error: &Error) -> bool {
    let says_so = |text: &str| {
        [
            "immutable",
            "updates to ",
            "may not be changed",
            "cannot be updated",
        ]
        .iter()
        .any(|word| text.contains(word))
    };
    let Error::Api(status) = error else {
        return false;
    };
    let causes = status.details.as_ref().map(|details| &details.causes[..]);
    is_invalid(error)
        && match causes {
            Some([_, ..]) => causes
                .into_iter()
                .flatten()
                .all(|cause| says_so(&cause.message)),
            _ => says_so(&status.message),
        }
}

/// The API server could not be asked, or asks for patience: the same request may succeed later.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Api(status) => matches!(status.code, 408 | 409 | 410 | 429 | 500..=504),
        _ => true,
    }
}

pub(crate) fn runtime_error(error: Error) -> RuntimeError {
    match error {
        Error::Api(status) if status.code == 404 => RuntimeError::NotFound {
            what: status.message.clone(),
        },
        Error::Api(status) if status.code == 401 || status.code == 403 => {
            RuntimeError::Refused(forbidden(&status.message))
        }
        error if is_passing(&error) => RuntimeError::Unreachable(told(&error)),
        error => RuntimeError::Refused(rejected("the request", &error)),
    }
}

/// What an apply of an object ran into.
pub(crate) fn of_object(what: &str, error: &Error) -> Problem {
    if let Error::Api(status) = error
        && let Some(problem) = refusal::admission(what, &status.message)
    {
        return problem;
    }
    match error {
        Error::Api(status) if status.code == 401 => forbidden(&status.message),
        Error::Api(status) if status.code == FOREIGN && status.reason == LEAVING => {
            problem::CONFLICT.problem(
                format!("{}, and is being deleted.", status.message),
                "It is tried again, and made once that one is gone.",
            )
        }
        // No waiting makes it ours: a release ends by this code.
        Error::Api(status) if status.code == FOREIGN => problem::NAME_TAKEN.problem(
            format!("{}.", status.message),
            "Another Pluvio, or somebody by hand, has an object of that name in this namespace. Name the application, the component or the environment otherwise, or delete the object, then deploy again.",
        ),
        Error::Api(status) if status.code == 403 => forbidden(&status.message),
        error if is_passing(error) => problem::CLUSTER_UNREACHABLE.problem(
            format!("The cluster did not take {what}: {}.", end(&told(error))),
            "It is tried again. `kubectl get --raw /readyz` tells whether the API server is well.",
        ),
        error => rejected(what, error),
    }
}

fn forbidden(message: &str) -> Problem {
    problem::REFUSED.problem(
        format!("The cluster does not let Pluvio do that: {}.", end(message)),
        "Give the cluster's account the permission that is named.",
    )
}

fn rejected(what: &str, error: &Error) -> Problem {
    problem::SPEC_UNSUPPORTED.problem(
        format!("The cluster refuses {what}: {}.", end(&told(error))),
        "Change what the message names, then deploy again.",
    )
}

/// The words of an error without the status object that the client prints behind them.
pub(crate) fn told(error: &Error) -> String {
    match error {
        Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(inner) = source {
                let more = inner.to_string();
                if !text.contains(&more) {
                    text = format!("{text}: {more}");
                }
                source = inner.source();
            }
            text
        }
    }
}

/// What somebody else said, to go on behind.
pub(crate) fn end(text: &str) -> &str {
    text.trim_end_matches(['.', '\n', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_somebody_elses_ends_a_release_unless_it_is_about_to_go() {
        let foreign = |reason: &str| {
            let status = kube::core::Status::failure("Service a is there already", reason);
            of_object("Service a", &Error::Api(status.with_code(FOREIGN).boxed()))
        };
        let stays = foreign("Foreign");
        assert!(stays.is(problem::NAME_TAKEN), "{stays:?}");
        let leaves = foreign(LEAVING);
        assert!(leaves.is(problem::CONFLICT), "{leaves:?}");
    }

    #[test]
    fn an_object_is_made_anew_only_for_what_cannot_be_changed() {
        let invalid = |causes: &[&str]| {
            let causes: Vec<_> = causes
                .iter()
                .map(|message| serde_json::json!({ "message": message }))
                .collect();
            let status = serde_json::json!({ "code": 422, "message": "it is invalid", "details": { "causes": causes } });
            Error::Api(Box::new(serde_json::from_value(status).unwrap()))
        };
        let selector = "Invalid value: …: field is immutable";
        let set = "Forbidden: updates to statefulset spec for fields other than 'replicas' … are forbidden";
        let domain = "Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must consist of …";
        assert!(is_unchangeable(&invalid(&[selector])));
        assert!(is_unchangeable(&invalid(&[set, selector])));
        assert!(!is_unchangeable(&invalid(&[domain])));
        assert!(!is_unchangeable(&invalid(&[selector, domain])));
        assert!(!is_unchangeable(&invalid(&[])));
    }
}
