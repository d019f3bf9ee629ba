//! Cookies of a request.

/// Returns the undecoded values of the cookies with this name in the fields of a request
/// (RFC 6265 §5.4).
pub(crate) fn cookies<'a>(
    fields: impl IntoIterator<Item = &'a [u8]>,
    name: &[u8],
) -> impl Iterator<Item = &'a [u8]> {
    let fields = fields.into_iter();
    let pairs = fields.flat_map(|field| field.split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let pair = pair.trim_ascii_start();
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (other, value) = pair.split_at_checked(at)?;
        value.get(1..).filter(|_| other == name)
    })
}
