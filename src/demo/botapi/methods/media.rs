//! Files that come with a call, or are known from an earlier one.

use serde_json::{Value, json};

use crate::demo::botapi::error::ApiError;
use crate::demo::botapi::image;
use crate::demo::botapi::model::StoredFile;
use crate::demo::botapi::params::{Params, Upload};
use crate::demo::botapi::shared::State;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Photo,
    Document,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Photo => "photo",
            Kind::Document => "document",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Kind> {
        [Kind::Photo, Kind::Document].into_iter().find(|kind| kind.name() == name)
    }
}

/// Stores or looks up the file in a parameter; gives the message's field and value.
pub(super) fn take(
    state: &mut State,
    params: &Params,
    kind: Kind,
    param: &str,
) -> Result<(&'static str, Value), ApiError> {
    let file = match params.file(param) {
        Some(upload) => store(state, upload, kind)?,
        None => referred(state, params, kind, param)?,
    };
    let value = match kind {
        Kind::Photo => photo_sizes(&file),
        Kind::Document => document(&file),
    };
    Ok((kind.name(), value))
}

/// A file given as `attach://<field>` or by its id.
fn referred(
    state: &mut State,
    params: &Params,
    kind: Kind,
    param: &str,
) -> Result<StoredFile, ApiError> {
    let Some(reference) = params.text(param) else {
        let problem = format!("there is no {} in the request", kind.name());
        return Err(ApiError::bad_request(&problem));
    };
    if let Some(field) = reference.strip_prefix("attach://") {
        let missing = || ApiError::bad_request("can't find the attached file");
        let upload = params.file(field).ok_or_else(missing)?;
        return store(state, upload, kind);
    }
    let known = state.world.files.get(&reference).cloned();
    let known =
        known.ok_or_else(|| ApiError::bad_request("wrong file identifier/HTTP URL specified"))?;
    if kind == Kind::Photo && known.dimensions.is_none() {
        return Err(ApiError::bad_request("can't use file of type Document as Photo"));
    }
    Ok(known)
}

fn store(state: &mut State, upload: &Upload, kind: Kind) -> Result<StoredFile, ApiError> {
    if upload.bytes.is_empty() {
        return Err(ApiError::bad_request("file must be non-empty"));
    }
    let dimensions = image::dimensions(&upload.bytes);
    if kind == Kind::Photo && dimensions.is_none() {
        return Err(ApiError::bad_request("IMAGE_PROCESS_FAILED"));
    }
    let unique_id = format!("AQ{:016x}", fastrand::u64(..));
    let name = plain_name(&upload.file_name);
    let extension = name.rsplit_once('.').map_or("bin", |(_, extension)| extension);
    let given = upload.content_type.clone().filter(|mime| mime != "application/octet-stream");
    let file = StoredFile {
        file_id: format!("BQAC{}{unique_id}", kind.name()),
        path: format!("{}s/file_{unique_id}.{extension}", kind.name()),
        mime: given.unwrap_or_else(|| mime_of(extension).to_owned()),
        size_bytes: upload.bytes.len(),
        unique_id,
        name,
        dimensions,
    };
    state.keep_file(file.clone(), upload.bytes.to_vec());
    Ok(file)
}

/// A file's name without anything that could lead elsewhere.
fn plain_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|char| !char.is_control()).take(120).collect();
    if plain.trim_matches('.').is_empty() { "file".to_owned() } else { plain }
}

fn mime_of(extension: &str) -> &'static str {
    match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "csv" => "text/csv",
        "txt" | "log" => "text/plain",
        "json" => "application/json",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

fn photo_sizes(file: &StoredFile) -> Value {
    let (width, height) = file.dimensions.unwrap_or((1, 1));
    json!([{
        "file_id": file.file_id,
        "file_unique_id": file.unique_id,
        "width": width,
        "height": height,
        "file_size": file.size_bytes,
    }])
}

fn document(file: &StoredFile) -> Value {
    json!({
        "file_id": file.file_id,
        "file_unique_id": file.unique_id,
        "file_name": file.name,
        "mime_type": file.mime,
        "file_size": file.size_bytes,
    })
}
