//! Width and height of a picture, read from its first bytes.

/// Width and height of a PNG, JPEG or GIF.
pub(super) fn dimensions(bytes: &[u8]) -> Option<(u32, u32)> {
    let found = png(bytes).or_else(|| gif(bytes)).or_else(|| jpeg(bytes))?;
    (found.0 > 0 && found.1 > 0).then_some(found)
}

fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    // Length and name of the first chunk come before its two numbers.
    let (width, rest) = header.get(8..)?.split_first_chunk::<4>()?;
    let (height, _) = rest.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*width), u32::from_be_bytes(*height)))
}

fn gif(bytes: &[u8]) -> Option<(u32, u32)> {
    let header = bytes.strip_prefix(b"GIF89a").or_else(|| bytes.strip_prefix(b"GIF87a"))?;
    let (width, rest) = header.split_first_chunk::<2>()?;
    let (height, _) = rest.split_first_chunk::<2>()?;
    Some((u16::from_le_bytes(*width).into(), u16::from_le_bytes(*height).into()))
}

fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let (marker, after) = rest.split_first_chunk::<2>()?;
        let (length, segment) = after.split_first_chunk::<2>()?;
        if marker[0] != 0xff {
            return None;
        }
        // A frame header: all C0 to CF but the tables C4, C8 and CC.
        if (0xc0..=0xcf).contains(&marker[1]) && ![0xc4, 0xc8, 0xcc].contains(&marker[1]) {
            let size = segment.get(1..5)?;
            let height = u16::from_be_bytes([size[0], size[1]]);
            let width = u16::from_be_bytes([size[2], size[3]]);
            return Some((width.into(), height.into()));
        }
        rest = after.get(usize::from(u16::from_be_bytes(*length))..)?;
    }
}
