//! The operations listener.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use pluvio_control::Control;

/// Ready when the database answers. The node is not asked: control serves without it, and says so.
pub(crate) async fn ready(State(control): State<Control>) -> impl IntoResponse {
    match control.store().ping().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}

/// Prometheus' text format.
pub(crate) async fn metrics(State(control): State<Control>) -> impl IntoResponse {
    use std::fmt::Write;
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, help: &str, rows: &[(String, f64)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in rows {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|t| t.split(' ').nth(1).and_then(|p| p.parse::<f64>().ok()));
    family(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory of the control process.",
        &[(
            String::new(),
            pages.unwrap_or(0.0) * rustix::param::page_size() as f64,
        )],
    );
    if let Ok(counts) = control
        .store()
        .count_applications(control.store().home().team)
        .await
    {
        let rows: Vec<(String, f64)> = counts
            .into_iter()
            .map(|(state, count)| {
                (
                    format!("{{state=\"{}\"}}", format!("{state:?}").to_lowercase()),
                    count as f64,
                )
            })
            .collect();
        family(
            "pluvio_applications",
            "gauge",
            "Applications by state.",
            &rows,
        );
    }
    if let Some(registry) = control.registry() {
        let figures = registry.figures();
        for (name, help, value) in [
            (
                "pluvio_registry_requests_total",
                "Requests to the registry of images.",
                figures.requests,
            ),
            (
                "pluvio_registry_failures_total",
                "Answers of the registry with status 5xx.",
                figures.failures,
            ),
            (
                "pluvio_registry_received_bytes_total",
                "Bytes of images that were pushed.",
                figures.received,
            ),
            (
                "pluvio_registry_sent_bytes_total",
                "Bytes of images that were pulled.",
                figures.sent,
            ),
        ] {
            family(name, "counter", help, &[(String::new(), value as f64)]);
        }
    }
    let asked: Vec<(String, f64)> = control
        .cluster_requests()
        .into_iter()
        .map(|row| {
            let labels = format!("{{server=\"{}\",method=\"{}\"}}", row.server, row.method);
            (labels, row.count as f64)
        })
        .collect();
    if !asked.is_empty() {
        family(
            "pluvio_kubernetes_requests_total",
            "counter",
            "Requests to the API servers of clusters.",
            &asked,
        );
    }
    let node = control.node().health().await;
    family(
        "pluvio_node_up",
        "gauge",
        "Whether the node answers.",
        &[(String::new(), if node.is_ok() { 1.0 } else { 0.0 })],
    );
    if let Ok(metrics) = control.node().metrics().await {
        family(
            "pluvio_gateway_connections",
            "gauge",
            "Client connections open at the gateway.",
            &[(String::new(), metrics.connections as f64)],
        );
        let rows: Vec<(String, f64)> = metrics
            .routes
            .iter()
            .map(|r| {
                (
                    format!(
                        "{{application=\"{}\",route=\"{}\"}}",
                        r.application, r.route
                    ),
                    r.requests as f64,
                )
            })
            .collect();
        family(
            "pluvio_gateway_requests_total",
            "counter",
            "Requests by route.",
            &rows,
        );
        let rows: Vec<(String, f64)> = metrics
            .routes
            .iter()
            .map(|r| {
                (
                    format!(
                        "{{application=\"{}\",route=\"{}\"}}",
                        r.application, r.route
                    ),
                    r.server_errors as f64,
                )
            })
            .collect();
        family(
            "pluvio_gateway_server_errors_total",
            "counter",
            "Answers with status 5xx by route.",
            &rows,
        );
    }
    ([("content-type", "text/plain; version=0.0.4")], out)
}
