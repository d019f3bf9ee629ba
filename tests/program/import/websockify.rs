//! Recordings of websockify.

use polysock_instrument::transcript::{Action, Observation, Step, expand};

use super::{Imported, told};

#[test]
fn recordings_of_websockify_become_sessions() {
    let long = "x".repeat(200);
    let text = format!(
        "var VNC_frame_data = [\n'{{3{{RFB 003.008\\n',\n'}}12}}RFB 003.008\\n',\n\
         '{{20{{\\x01\\x02\\'\\\\{long}',\n'}}21}}\\x02',\n'EOF'];\n"
    );
    let imported = Imported::of("websockify", "vnc.1", text.as_bytes(), &[]);
    assert_eq!(imported.names(), ["vnc-001-rfc6455.wire"]);
    assert!(
        imported
            .stderr
            .contains("it contains no opening handshake, frames or segments")
    );
    imported.assert_replays();
    let fixture = imported.fixture(0);
    let payloads: Vec<Vec<u8>> = fixture
        .transcript
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Sees(Observation::Binary(parts)) => Some(expand(parts).to_vec()),
            Step::Does(Action::Binary(parts)) => Some(expand(parts).to_vec()),
            _ => None,
        })
        .collect();
    assert_eq!(
        payloads,
        [
            b"RFB 003.008\n".to_vec(),
            b"RFB 003.008\n".to_vec(),
            format!("\u{1}\u{2}'\\{long}").into_bytes(),
            b"\x02".to_vec()
        ]
    );
    let old = "var VNC_frame_encoding = 'base64';\nvar VNC_frame_data = [\n\"{1{UkZC\",\n";
    let imported = Imported::of("websockify-old", "vnc.2", old.as_bytes(), &[]);
    imported.assert_replays();
    assert!(
        imported
            .stderr
            .contains("it ends before the connection did"),
        "{}",
        imported.stderr
    );
    assert_eq!(told(&imported.fixture(0)).1[1], "+ binary \"RFB\"");
}
