//! The OpenAPI document: what the handlers declare, and what holds for all of them.

use axum::Router;
use pluvio_model::problem::{CODES, Code, METHOD, REQUEST_INVALID};
use utoipa::OpenApi;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::{App, access, handlers};

#[derive(OpenApi)]
#[openapi(
    info(title = "Pluvio", description = "Deploy and operate applications. Errors are problem documents (RFC 9457) with a stable code; `pluvio explain CODE` tells more. A request that names a host which is not this server's is answered 421, a change that a page of another origin asks for 403."),
    components(schemas(pluvio_model::problem::Problem, pluvio_model::event::Event, pluvio_api::applications::LogEntry, pluvio_api::applications::OperationLogEntry)),
    modifiers(&Security),
)]
struct Head;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "bearer",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
        components.add_security_scheme(
            "session",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(access::COOKIE))),
        );
        document.security = Some(vec![
            SecurityRequirement::new::<_, _, String>("bearer", []),
            SecurityRequirement::new::<_, _, String>("session", []),
        ]);
    }
}

/// The handlers' routes, and the document of them.
pub(crate) fn parts() -> (Router<App>, utoipa::openapi::OpenApi) {
    let api = OpenApiRouter::with_openapi(Head::openapi()).nest("/api/v1", handlers::routes());
    let (router, mut document) = api.split_for_parts();
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        for operation in operations.into_iter().flatten() {
            complete(operation);
        }
    }
    (router, document)
}

/// The OpenAPI 3.1 document of the API, pretty-printed.
pub fn openapi() -> String {
    let (_, document) = parts();
    let mut text = document.to_pretty_json().expect("the document serialises");
    text.push('\n');
    text
}

/// What no handler has to repeat: a unique id, the answers that any may give, the media type and codes of problems.
fn complete(operation: &mut Operation) {
    let tag = operation.tags.iter().flatten().next();
    let name = operation.operation_id.as_deref().unwrap_or_default();
    operation.operation_id = Some(format!("{}_{name}", tag.map_or("api", String::as_str)));
    let responses = &mut operation.responses.responses;
    for status in ["500", "503"] {
        let any = || {
            RefOr::T(
                ResponseBuilder::new()
                    .content("application/json", problem_content())
                    .build(),
            )
        };
        responses.entry(status.to_owned()).or_insert_with(any);
    }
    for (status, response) in responses {
        if let (RefOr::T(response), Ok(status @ 400..)) = (response, status.parse::<u16>()) {
            as_problem(status, response);
        }
    }
}

fn problem_content() -> utoipa::openapi::Content {
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build()
}

fn as_problem(status: u16, response: &mut Response) {
    response.content.clear();
    response.content.insert(
        "application/problem+json".to_owned(),
        problem_content().into(),
    );
    if response.description.is_empty() {
        let codes: Vec<String> = codes(status)
            .map(|code| format!("`{}`", code.code))
            .collect();
        response.description = format!("A problem: {}", codes.join(", "));
    }
}

/// The codes that the API answers with this status. Those of the gateway and of the configuration are never the API's.
fn codes(status: u16) -> impl Iterator<Item = &'static Code> {
    let own = |code: &&Code| {
        !["gateway.", "config."]
            .iter()
            .any(|part| code.code.starts_with(part))
    };
    // Some statuses are only a narrower word for a request that cannot be read.
    let reading = matches!(status, 408 | 413 | 415 | 421 | 422 | 426).then_some(&REQUEST_INVALID);
    CODES
        .iter()
        .filter(move |code| code.status == status && code.code != METHOD.code)
        .filter(own)
        .chain(reading)
}
