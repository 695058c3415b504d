//! Who talks to whom, as two tables.

use pluvio_api::topology::{EdgeTraffic, Topology, TopologyEdge, TopologyNode};
use pluvio_model::problem::{self, Problem};
use pluvio_model::quantity::Span;

use super::Done;
use super::apps::status_word;
use crate::context::Context;
use crate::output::bytes;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  pluvio topology\n  pluvio topology --window 15m\n  pluvio topology --all    applications, and which asks which"
)]
pub(crate) struct TopologyArgs {
    /// Applications of the environment instead of components of one
    #[arg(long)]
    all: bool,
    /// Over how long rates and times are, 1m to 1h (1m when absent)
    #[arg(long, value_name = "SPAN")]
    window: Option<Span>,
}

pub(crate) async fn topology(context: &Context, args: &TopologyArgs) -> Done {
    let base = match args.all {
        true => context.environment_path(),
        false => context.app_path()?,
    };
    let path = format!("{base}/topology?window={}", seconds(args.window)?);
    let graph: Topology = context.client()?.get(&path).await?;
    if context.out.json {
        context.out.document(&graph);
        return Ok(());
    }
    if graph.nodes.is_empty() {
        context
            .out
            .line("There is nothing yet. `pluvio deploy` in a folder with source makes the first.");
        return Ok(());
    }
    let nodes: Vec<Vec<String>> = graph.nodes.iter().map(|one| node(context, one)).collect();
    let head = ["NODE", "KIND", "STATUS", "READY", "CPU", "MEMORY", "WHAT"];
    context.out.table(&head, &nodes);
    if graph.edges.is_empty() {
        return Ok(());
    }
    context.out.line("");
    let edges: Vec<Vec<String>> = graph.edges.iter().flat_map(edge).collect();
    let head = [
        "FROM", "TO", "PORT", "RATE", "P50", "P95", "ERRORS", "IN", "OUT", "OPEN",
    ];
    context.out.table(&head, &edges);
    if graph.seen_ms_ago.is_none() {
        context
            .out
            .say("The node does not answer: what passes now is not known.");
    }
    Ok(())
}

fn seconds(window: Option<Span>) -> Result<u64, Problem> {
    let seconds = window.map_or(60, |window| window.0 / 1000);
    if (60..=3600).contains(&seconds) {
        return Ok(seconds);
    }
    Err(problem::REQUEST_INVALID.problem(
        format!("A window of {seconds} seconds is not between a minute and an hour."),
        "Ask for --window 1m up to --window 1h.",
    ))
}

fn node(context: &Context, node: &TopologyNode) -> Vec<String> {
    let runs = node.instances_wanted > 0 || node.instances_ready > 0;
    let stands_for_another = matches!(node.kind.as_str(), "gateway" | "elsewhere");
    vec![
        node.name.clone(),
        node.kind.clone(),
        match stands_for_another {
            true => "-".to_owned(),
            false => status_word(context, node.status),
        },
        match runs {
            true => format!("{}/{}", node.instances_ready, node.instances_wanted),
            false => "-".to_owned(),
        },
        node.cpu_millis
            .map_or("-".into(), |cpu| format!("{:.2}", cpu as f64 / 1000.0)),
        node.memory_bytes.map_or("-".into(), bytes),
        match node.what.is_empty() {
            true => node.hosts.join(", "),
            false => node.what.clone(),
        },
    ]
}

/// A row for each port; one that says that nothing passed, if nothing did.
fn edge(edge: &TopologyEdge) -> Vec<Vec<String>> {
    let ends = || vec![name(&edge.from), name(&edge.to)];
    if edge.traffic.is_empty() {
        let mut row = ends();
        row.extend(std::iter::repeat_n("-".to_owned(), 8));
        return vec![row];
    }
    let rows = edge.traffic.iter().map(|one| {
        let mut row = ends();
        row.extend(traffic(one));
        row
    });
    rows.collect()
}

fn name(id: &str) -> String {
    let plain = id.strip_prefix("@app.").or(id.strip_prefix('@'));
    plain.unwrap_or(id).to_owned()
}

fn traffic(one: &EdgeTraffic) -> [String; 8] {
    let rate = |rate: f64| match rate {
        0.0 => "0".to_owned(),
        small if small < 0.01 => "<0.01/s".to_owned(),
        some if some < 10.0 => format!("{some:.2}/s"),
        many => format!("{many:.0}/s"),
    };
    let size = |size: f64| format!("{}/s", bytes(size as u64));
    let time = |ms: Option<f64>| match ms {
        Some(ms) if ms < 10.0 => format!("{ms:.1} ms"),
        Some(ms) => format!("{ms:.0} ms"),
        None => "-".to_owned(),
    };
    [
        match one.port.is_empty() {
            true => one.protocol.clone(),
            false => one.port.clone(),
        },
        rate(one.requests_per_second),
        time(one.p50_ms),
        time(one.p95_ms),
        rate(one.errors_per_second),
        size(one.received_per_second),
        size(one.sent_per_second),
        one.open.to_string(),
    ]
}
