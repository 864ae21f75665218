//! F11: a foreign client of the registry, Confluent's own for Python: what it serialises is folded,
//! and what we write it deserialises.

use std::io::Write;
use std::process::{Command, Stdio};

use windowsill::log::embedded::EmbeddedLog;
use windowsill::log::{EventLog, Fetched, Start};

use super::*;
use crate::tool::{leave_out, works};

pub(super) const REMEDY: &str = "pip install 'confluent-kafka[avro,schemaregistry]' (WINDOWSILL_TEST_PYTHON \
                      names another interpreter)";

pub(super) fn python() -> Option<String> {
    let named = std::env::var("WINDOWSILL_TEST_PYTHON");
    let python = named.unwrap_or_else(|_| "python3".to_owned());
    let imports = "import confluent_kafka.schema_registry.avro";
    works(Command::new(&python).args(["-c", imports])).then_some(python)
}

/// Runs the client over these lines. Gives the lines that it prints.
fn client(python: &str, args: &[&str], lines: &[String]) -> Vec<String> {
    run_client(python, "avro_values.py", args, lines)
}

pub(super) fn run_client(
    python: &str,
    script: &str,
    args: &[&str],
    lines: &[String],
) -> Vec<String> {
    let script = format!("{}/tests/python/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg(script).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    // Nothing between us but loopback.
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        command.env_remove(proxy);
    }
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the client failed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The bytes of the values of a topic as they lie in the log.
async fn stored(dir: &Path, topic: &str) -> Vec<Vec<u8>> {
    let log = EmbeddedLog::open(&dir.join("windowsill-data/log.db")).await.unwrap();
    let from = vec![Start { partition: 0, offset: 0 }];
    let mut reader = log.read(topic, from).await.unwrap();
    let mut values = Vec::new();
    while let Fetched::Batch(batch) = reader.next().await.unwrap() {
        let records = batch.records().map(Result::unwrap);
        values.extend(records.filter_map(|record| record.value.map(<[u8]>::to_vec)));
    }
    drop(reader);
    log.close().await;
    values
}

/// Its own schema is another than ours: optional fields, whole numbers, one more field.
#[tokio::test]
async fn values_of_a_foreign_serialiser_are_folded() {
    let test = "a foreign serialiser";
    let Some(server) = registry(test) else { return };
    let Some(python) = python() else { return leave_out(test, REMEDY) };
    let dir = folder(&server.url(), "");
    for (name, schema) in [("ours", OURS), ("theirs", CONNECTED)] {
        let file = dir.path().join(name);
        std::fs::write(&file, schema).unwrap();
        let values: Vec<String> = (0..3)
            .map(|plant| {
                let mut value = json!({"plant_id": plant, "moisture": 20 + plant});
                value["temperature"] = json!(18.5);
                if name == "theirs" {
                    value["note"] = json!("from elsewhere");
                }
                value.to_string()
            })
            .collect();
        let args = [&server.url(), READINGS, "write", file.to_str().unwrap()];
        let encoded = client(&python, &args, &values);
        let lines: Vec<Value> =
            encoded.iter().map(|value| json!({"key": "0", "value_base64": value})).collect();
        write(dir.path(), READINGS, &lines).expect_code(0);
    }
    let folded = fold(dir.path());
    assert_eq!((&folded["records"], &folded["dead_letters"]), (&json!(6), &json!(0)));
    let expected = (0..3).map(|plant| {
        json!({"plant_id": plant, "moisture": 20.0 + f64::from(plant), "temperature": 18.5})
    });
    let expected: Vec<Value> = expected.collect();
    assert_eq!(values(dir.path(), READINGS), [expected.clone(), expected].concat());
}

#[tokio::test]
async fn values_of_ours_are_read_by_a_foreign_deserialiser() {
    let test = "a foreign deserialiser";
    let Some(server) = registry(test) else { return };
    let Some(python) = python() else { return leave_out(test, REMEDY) };
    let dir = folder(&server.url(), "");
    let rows = [plant(0, "Cyril", 30.0), plant(1, "Robin's 🪴", 20.5)];
    let lines: Vec<Value> =
        rows.iter().map(|row| json!({"key": row["plant_id"].to_string(), "value": row})).collect();
    write(dir.path(), METADATA, &lines).expect_code(0);
    let encoded = stored(dir.path(), METADATA).await;
    let encoded: Vec<String> = encoded.iter().map(|value| BASE64_STANDARD.encode(value)).collect();
    let read = client(&python, &[&server.url(), METADATA, "read"], &encoded);
    assert_eq!(read.len(), rows.len());
    for (line, row) in read.iter().zip(&rows) {
        let value: Value = serde_json::from_str(line).unwrap();
        let same =
            |name: &String| value[name] == row[name] || value[name].as_f64() == row[name].as_f64();
        assert!(row.as_object().unwrap().keys().all(same), "{value} is not {row}");
    }
}
