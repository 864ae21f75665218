//! Change data that Debezium writes as Avro.

use serde_json::json;

use super::*;

const KINDLE: &str = "40:ec:99:1f:3e:75";
/// As the MongoDB connector has it with the Avro converter, without the parts nobody reads.
const ENVELOPE: &str = r#"{"type": "record", "name": "Envelope", "namespace": "unifi.ace.user",
    "connect.name": "unifi.ace.user.Envelope", "fields": [
    {"name": "before", "type": ["null", {"type": "string", "connect.version": 1,
        "connect.name": "io.debezium.data.Json"}], "default": null},
    {"name": "after", "type": ["null", {"type": "string", "connect.version": 1,
        "connect.name": "io.debezium.data.Json"}], "default": null},
    {"name": "patch", "type": ["null", "string"], "default": null},
    {"name": "updateDescription", "type": ["null", {"type": "record", "name": "updatedescription",
        "namespace": "io.debezium.connector.mongodb.changestream", "fields": [
        {"name": "removedFields", "type": ["null", {"type": "array", "items": "string"}],
            "default": null},
        {"name": "updatedFields", "type": ["null", "string"], "default": null}]}], "default": null},
    {"name": "source", "type": {"type": "record", "name": "Source",
        "namespace": "io.debezium.connector.mongo", "fields": [
        {"name": "ts_ms", "type": "long"}, {"name": "snapshot", "type": [
            {"type": "string", "connect.default": "false"}, "null"], "default": "false"}]}},
    {"name": "op", "type": ["null", "string"], "default": null},
    {"name": "ts_ms", "type": ["null", "long"], "default": null}]}"#;
const KEY: &str = r#"{"type": "record", "name": "Key", "namespace": "unifi.ace.user",
    "fields": [{"name": "id", "type": "string"}]}"#;

fn change(ids: (u32, u32), parts: &Value) -> Value {
    let mut value = json!({"before": null, "after": null, "patch": null, "updateDescription": null,
        "source": {"ts_ms": 1_700_000_000_000i64, "snapshot": "false"}, "op": null, "ts_ms": null});
    for (name, part) in parts.as_object().unwrap() {
        value[name] = part.clone();
    }
    let key = wire(ids.1, KEY, &json!({"id": json!({"$oid": "a1"}).to_string()}));
    let value = wire(ids.0, ENVELOPE, &value);
    json!({"key_base64": BASE64_STANDARD.encode(key), "value_base64": BASE64_STANDARD.encode(value)})
}

fn ask(dir: &Path) -> String {
    run(dir, &["ask", &format!("/device {KINDLE}")]).expect_code(0).stdout
}

#[test]
fn debezium_envelopes_and_keys_may_be_avro() {
    let Some(server) = registry("Debezium with the Avro converter") else { return };
    let dir = folder(&server.url(), "[topics.\"unifi.ace.user\"]\nformat = \"confluent\"");
    let dir = dir.path();
    let ids = (
        server.register("unifi.ace.user-value", ENVELOPE),
        server.register("unifi.ace.user-key", KEY),
    );
    let probe = json!({"timestamp": "1700000000000", "layers": {"wlan_fc_type_subtype": ["4"],
        "wlan_radio_signal_dbm": ["-54"], "wlan_sa": [KINDLE], "wlan_ssid": ["home"]}});
    let pcap = ["topic", "write", "pcap", "--format", "value"];
    run_with_input(dir, &pcap, &probe.to_string()).expect_code(0);
    let document = json!({"mac": KINDLE, "name": "Robin's Kindle", "oui": "Amazon"});
    let insert = change(ids, &json!({"op": "c", "after": document.to_string()}));
    write(dir, "unifi.ace.user", &[insert]).expect_code(0);
    run(dir, &["fold"]).expect_code(0);
    assert!(ask(dir).contains("Robin's Kindle"), "{}", ask(dir));

    let updated =
        json!({"updatedFields": "{\"hostname\":\"kindle-2\"}", "removedFields": ["name"]});
    let update = change(ids, &json!({"op": "u", "updateDescription": updated}));
    write(dir, "unifi.ace.user", &[update]).expect_code(0);
    run(dir, &["fold"]).expect_code(0);
    assert!(ask(dir).contains("stats for kindle-2 "), "{}", ask(dir));

    let delete = change(ids, &json!({"op": "d"}));
    // A converter of keys may be another one than that of values.
    let key = json!({"id": json!({"$oid": "a1"}).to_string()}).to_string();
    write(dir, "unifi.ace.user", &[delete, json!({"key": key, "value": null})]).expect_code(0);
    let folded = run(dir, &["fold", "--json"]).expect_code(0).json_lines().remove(0);
    assert_eq!(folded["pipelines"][1]["dead_letters"], json!(0), "{folded}");
    assert!(ask(dir).contains(&format!("stats for {KINDLE}")), "{}", ask(dir));

    let shown = run(dir, &["topic", "read", "unifi.ace.user"]).expect_code(0).json_lines();
    assert_eq!(shown[0]["key"], key.as_str());
    assert_eq!(shown[0]["value"]["after"], document.to_string().as_str());
}
