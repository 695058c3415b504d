//! Which published ports lead to pages, and which stay ports of the machine.

use pluvio_model::spec::PortProtocol;

use super::*;

/// Whether the component's port speaks HTTP, and the machine's port that leads to it.
fn port(import: &Import, name: &str, number: u16) -> (bool, Option<u16>) {
    let component = &import.spec.components[name];
    let ports = component.ports.values();
    let mut ports = ports.filter(|port| port.port == number);
    let protocol = ports.next().expect("such a port").protocol;
    let of_it = pluvio_model::spec::PortRef::Number(number);
    let published = component.publish.iter().find(|one| one.port == of_it);
    (
        protocol == PortProtocol::Http,
        published.map(|publish| publish.host),
    )
}

#[test]
fn what_others_dial_by_another_scheme_is_no_page() {
    let import = read_text(
        "
name: shop
services:
  events:
    image: localhost/events:1
    container_name: the-events
    ports: ['5001:5001', '5002:5002', '5003:5003', '5004:5004', '5005:5005', '5006:5006']
    environment: { SOME_LISTENERS: 'PLAINTEXT://1.2.3.4:5003,CONTROLLER://:5004' }
  app:
    image: localhost/app:1
    ports: ['8000:8000']
    command: [serve, '--queue', 'amqp://me:pw@events:5001/x']
    environment:
      BOOTSTRAP_SERVERS: other:1,the-events:5002
      PAGES: http://events:5005/
      WAIT: tcp://events:5006
      CONTEXT_BROKER: http://app:8000
",
    );
    assert_eq!(import.errors, []);
    for number in 5001..=5004 {
        assert_eq!(port(&import, "events", number), (false, Some(number)));
    }
    assert!(port(&import, "events", 5005).0);
    assert!(port(&import, "events", 5006).0);
    assert!(port(&import, "app", 8000).0);
    // The first that serves pages has the name that routes lead to.
    assert_eq!(import.spec.components["events"].ports["http"].port, 5005);
}

#[test]
fn well_known_images_and_ports_are_no_pages() {
    let import = read_text(
        "
name: shop
services:
  kafka: { image: confluentinc/cp-kafka, ports: ['29092:29092', '9999:9999'] }
  mqtt: { image: 'eclipse-mosquitto:2', ports: ['9001:9001', '1884:1884'] }
  web: { image: 'localhost/web:1', ports: ['4443:9443', '4317:4317', '3000:3000'] }
",
    );
    assert_eq!(import.errors, []);
    for number in [29092, 9999] {
        assert_eq!(port(&import, "kafka", number), (false, Some(number)));
    }
    assert_eq!(port(&import, "mqtt", 1884), (false, Some(1884)));
    assert!(port(&import, "mqtt", 9001).0);
    assert_eq!(port(&import, "web", 9443), (false, Some(4443)));
    assert_eq!(port(&import, "web", 4317), (false, Some(4317)));
    assert!(port(&import, "web", 3000).0);
}
