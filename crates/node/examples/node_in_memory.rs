//! A node over the engine in memory: what `benches/run list` puts a thousand applications on.
//!
//! `node_in_memory DATA GATEWAY IMAGE ID` serves DATA/node/node.sock until it is told to end; containers may be made of IMAGE.

use std::path::Path;
use std::sync::Arc;

use pluvio_model::facts::ImageFacts;
use pluvio_model::id::ClusterId;
use pluvio_node::Config;
use pluvio_runtime::memory::MemoryDriver;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [data, gateway, image, id] = words.as_slice() else {
        return Err("usage: node_in_memory DATA GATEWAY IMAGE ID".into());
    };
    let driver = MemoryDriver::new(ClusterId(uuid::Uuid::from_u128(1)));
    let facts: ImageFacts = serde_json::from_value(serde_json::json!({ "id": id }))?;
    driver.add_image(image, facts);
    let mut config = Config::new(Path::new(data));
    config.listen = vec![gateway.parse()?];
    let ended = async {
        let mut ended = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
            .expect("signals can be listened for");
        ended.recv().await;
    };
    pluvio_node::run_over(config, Arc::new(driver), ended).await?;
    Ok(())
}
