//! What a client is answered when something does not go: the specification's codes in its JSON.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use pluvio_model::problem::{IMAGES_QUOTA, Problem};
use pluvio_store::{BlobError, StoreError};

/// The codes of the distribution specification, and two of our own for what it has no word for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    RangeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    /// The registry's own fault.
    Unknown,
}

impl Code {
    fn word(self) -> &'static str {
        match self {
            Code::BlobUnknown => "BLOB_UNKNOWN",
            Code::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Code::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Code::DigestInvalid => "DIGEST_INVALID",
            Code::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Code::ManifestInvalid => "MANIFEST_INVALID",
            Code::ManifestUnknown => "MANIFEST_UNKNOWN",
            Code::NameInvalid => "NAME_INVALID",
            Code::NameUnknown => "NAME_UNKNOWN",
            Code::SizeInvalid => "SIZE_INVALID",
            Code::RangeInvalid => "RANGE_INVALID",
            Code::Unauthorized => "UNAUTHORIZED",
            Code::Denied => "DENIED",
            Code::Unsupported => "UNSUPPORTED",
            Code::Unknown => "UNKNOWN",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Code::BlobUnknown
            | Code::BlobUploadUnknown
            | Code::ManifestBlobUnknown
            | Code::ManifestUnknown
            | Code::NameUnknown => StatusCode::NOT_FOUND,
            Code::BlobUploadInvalid
            | Code::DigestInvalid
            | Code::ManifestInvalid
            | Code::NameInvalid
            | Code::SizeInvalid => StatusCode::BAD_REQUEST,
            Code::RangeInvalid => StatusCode::RANGE_NOT_SATISFIABLE,
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::Denied => StatusCode::FORBIDDEN,
            Code::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Code::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message}", code.word())]
pub struct Failure {
    pub code: Code,
    pub status: StatusCode,
    pub message: String,
    pub detail: Option<serde_json::Value>,
    /// What a user of Pluvio reads of it, where that says more.
    pub problem: Option<Box<Problem>>,
}

impl Failure {
    pub fn of(code: Code, message: impl Into<String>) -> Failure {
        Failure {
            code,
            status: code.status(),
            message: message.into(),
            detail: None,
            problem: None,
        }
    }

    pub(crate) fn detail(mut self, detail: serde_json::Value) -> Failure {
        self.detail = Some(detail);
        self
    }

    pub(crate) fn internal(what: &str, error: impl std::fmt::Display) -> Failure {
        tracing::error!(what, %error, "the registry failed");
        Failure::of(
            Code::Unknown,
            "the registry failed; its operator finds the reason in the server's log",
        )
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Failure {
        match error {
            BlobError::Full => Failure {
                status: StatusCode::INSUFFICIENT_STORAGE,
                ..Failure::of(Code::Unknown, "the registry's disk is full")
            },
            BlobError::Input(error) => Failure::of(
                Code::BlobUploadInvalid,
                format!("the content broke off: {error}"),
            ),
            error => Failure::internal("contents", error),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        match error {
            StoreError::Refused(problem) => Failure::from(*problem),
            StoreError::Unavailable { .. } | StoreError::Full => Failure {
                status: StatusCode::SERVICE_UNAVAILABLE,
                ..Failure::of(
                    Code::Unknown,
                    "the registry's database does not answer; try again",
                )
            },
            error => Failure::internal("database", error),
        }
    }
}

/// A refusal of ours in the specification's words: a full quota, something in use.
impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        let quota = if problem.is(IMAGES_QUOTA) {
            "quota exceeded: "
        } else {
            ""
        };
        let message = format!("{quota}{} {}", problem.cause, problem.remedy);
        Failure {
            problem: Some(Box::new(problem)),
            ..Failure::of(Code::Denied, message)
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut error = serde_json::json!({ "code": self.code.word(), "message": self.message });
        if let Some(detail) = self.detail {
            error["detail"] = detail;
        }
        let body = serde_json::json!({ "errors": [error] }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if self.code == Code::Unauthorized {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Pluvio\", charset=\"UTF-8\""),
            );
        }
        response
    }
}
