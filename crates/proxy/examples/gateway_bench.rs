//! The gateway alone, in front of one upstream: what `benches/gateway` measures against nginx.
//!
//! `gateway_bench LISTEN UPSTREAM ACCESS_LOG` serves host `bench.test` until it is told to end.

use std::{env::args, io::Write, net::SocketAddr};

use pluvio_model::{
    id::Generation,
    route::{
        BackendId, BackendState, Endpoint, Endpoints, HostPattern, Route, RouteFragment,
        RouteLimits, RouteTable, WeightedBackend,
    },
};
use pluvio_proxy::{AccessLog, Gateway, GatewayConfig};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [listen, upstream, log]: [String; 3] = args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "usage: gateway_bench LISTEN UPSTREAM ACCESS_LOG")?;
    let gateway = Gateway::bind(
        &[listen.parse::<SocketAddr>()?],
        GatewayConfig {
            workers: 1,
            access_log: AccessLog::file(log),
            ..GatewayConfig::default()
        },
    )?;
    let backend: BackendId = "bench/web/http".parse()?;
    let route = Route {
        id: "bench".parse()?,
        hosts: vec!["bench.test".parse::<HostPattern>()?],
        matches: Vec::new(),
        backends: vec![WeightedBackend::only(backend.clone())],
        limits: RouteLimits::default(),
        disabled: false,
    };
    let fragment = RouteFragment {
        application: "bench".parse()?,
        generation: Generation(1),
        routes: vec![route],
    };
    gateway.set_routes(&RouteTable::from_iter([fragment]));
    let endpoint = Endpoint {
        address: upstream.parse()?,
        instance: "bench-1".parse()?,
    };
    let state = BackendState::Serving {
        endpoints: vec![endpoint],
    };
    gateway.set_endpoints(&Endpoints::from_iter([(backend, state)]));
    println!("serving {}", gateway.addresses()[0]);
    std::io::stdout().flush()?;
    // Whoever started it ends it by a signal.
    loop {
        std::thread::park();
    }
}
