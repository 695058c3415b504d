//! A problem as an HTTP answer.

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use pluvio_model::problem::{self, Problem};
use pluvio_runtime::RuntimeError;
use pluvio_store::{BlobError, StoreError};
use serde::de::DeserializeOwned;

/// `application/problem+json` with the problem's status.
#[derive(Debug)]
pub struct Refusal(pub Problem);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut problem = self.0;
        if problem.status >= 500 {
            tracing::warn!(
                code = problem.code,
                cause = problem.cause,
                "a request failed"
            );
        }
        if problem.is(problem::INTERNAL) {
            // What went wrong inside is for the operator's log; a user is told where to look.
            problem.cause = "Pluvio met an error of its own; its log has the details.".into();
        }
        let status =
            StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (
            status,
            serde_json::to_vec(&problem).expect("a problem serialises"),
        )
            .into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal(problem)
    }
}
impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Refusal(error.into())
    }
}
impl From<RuntimeError> for Refusal {
    fn from(error: RuntimeError) -> Self {
        Refusal(error.into_problem())
    }
}
impl From<BlobError> for Refusal {
    fn from(error: BlobError) -> Self {
        Refusal(match error {
            BlobError::NotFound(_) => problem::NOT_FOUND.problem("It is not kept (any more).", "Nothing needs to be done."),
            BlobError::TooLarge { limit } => problem::SPEC_TOO_LARGE.problem(format!("It is larger than {limit} bytes."), "Leave out what the build does not need (.gitignore, .dockerignore, .pluvioignore)."),
            BlobError::Full => problem::DISK_FULL.problem("The disk that holds the data folder is full.", "Free some space; nothing was lost."),
            BlobError::Input(error) => problem::REQUEST_INVALID.problem(format!("The upload broke off: {error}."), "Send it again."),
            other => problem::INTERNAL.problem(other.to_string(), "See the server's log."),
        })
    }
}

/// JSON bodies, refused as problems.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;
    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Json(value)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Refusal(Problem {
                status: 415,
                ..problem::REQUEST_INVALID.problem(
                    "The body is not marked as JSON.",
                    "Send it with `Content-Type: application/json`.",
                )
            })),
            Err(error) => {
                let status = error.status().as_u16();
                Err(Refusal(Problem {
                    status,
                    ..problem::REQUEST_INVALID.problem(
                        format!("The body cannot be read: {}.", error.body_text()),
                        "Compare it with /api/v1/openapi.json.",
                    )
                }))
            }
        }
    }
}

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Query parameters, refused as problems.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(error) => Err(query(&error)),
        }
    }
}

fn query(error: &QueryRejection) -> Refusal {
    Refusal(problem::REQUEST_INVALID.problem(
        format!("The query cannot be read: {}.", error.body_text()),
        "Compare it with /api/v1/openapi.json.",
    ))
}

/// Path parameters; one that cannot be read names nothing.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refusal;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            Err(error) => Err(path(&error)),
        }
    }
}

fn path(_: &PathRejection) -> Refusal {
    not_found("thing of this name")
}

/// 404, the same whether it is not there or not theirs.
pub(crate) fn not_found(what: &str) -> Refusal {
    Refusal(problem::NOT_FOUND.problem(
        format!("There is no such {what}, or it is not yours."),
        "Check the name; a list shows what is there.",
    ))
}
