//! placeholder
pub struct Codec;
