"""Scans a port with sslyze.

    scan_tls.py HOST PORT VERSIONS    the versions that must be supported, separated by commas: 1.2,1.3

Prints a line for each finding, and one for the suites of each version. Fails if there is a finding.
"""

import sys

from sslyze import Scanner, ScanCommand, ServerNetworkLocation, ServerScanRequest
from sslyze.plugins.robot.implementation import RobotScanResultEnum

VERSIONS = {
    "SSL 2": ScanCommand.SSL_2_0_CIPHER_SUITES,
    "SSL 3": ScanCommand.SSL_3_0_CIPHER_SUITES,
    "1.0": ScanCommand.TLS_1_0_CIPHER_SUITES,
    "1.1": ScanCommand.TLS_1_1_CIPHER_SUITES,
    "1.2": ScanCommand.TLS_1_2_CIPHER_SUITES,
    "1.3": ScanCommand.TLS_1_3_CIPHER_SUITES,
}
OTHERS = {
    ScanCommand.TLS_COMPRESSION,
    ScanCommand.TLS_FALLBACK_SCSV,
    ScanCommand.HEARTBLEED,
    ScanCommand.ROBOT,
    ScanCommand.OPENSSL_CCS_INJECTION,
    ScanCommand.SESSION_RENEGOTIATION,
    ScanCommand.TLS_EXTENDED_MASTER_SECRET,
}


def main(host, port, versions):
    location = ServerNetworkLocation(hostname=host, port=int(port), ip_address=host)
    scanner = Scanner()
    scanner.queue_scans([ServerScanRequest(location, scan_commands={*VERSIONS.values(), *OTHERS})])
    [scanned] = list(scanner.get_results())
    assert scanned.scan_result, scanned.connectivity_error_trace
    of = {command: getattr(scanned.scan_result, command.value) for command in {*VERSIONS.values(), *OTHERS}}
    failed = {command: str(attempt.error_trace) for command, attempt in of.items() if attempt.result is None}
    assert not failed, failed
    of = {command: attempt.result for command, attempt in of.items()}
    findings = []
    for version, command in VERSIONS.items():
        suites = [accepted.cipher_suite.name for accepted in of[command].accepted_cipher_suites]
        if suites:
            print(version, *suites)
        if bool(suites) != (version in versions.split(",")):
            findings.append(f"{version}: {suites or 'is not spoken'}")
        if "1.0" not in versions:
            findings += [f"{version}: {name}" for name in suites if "CBC" in name or name.startswith("TLS_RSA_")]
        findings += [name for name in suites if "RC4" in name or "NULL" in name or "EXPORT" in name]
    renegotiation = of[ScanCommand.SESSION_RENEGOTIATION]
    robot = of[ScanCommand.ROBOT].robot_result
    for name, is_found in {
        "compression": of[ScanCommand.TLS_COMPRESSION].supports_compression,
        "no TLS_FALLBACK_SCSV": not of[ScanCommand.TLS_FALLBACK_SCSV].supports_fallback_scsv,
        "Heartbleed": of[ScanCommand.HEARTBLEED].is_vulnerable_to_heartbleed,
        "CCS injection": of[ScanCommand.OPENSSL_CCS_INJECTION].is_vulnerable_to_ccs_injection,
        "renegotiation": renegotiation.is_vulnerable_to_client_renegotiation_dos,
        "no secure renegotiation": not renegotiation.supports_secure_renegotiation,
        "no extended master secret": not of[ScanCommand.TLS_EXTENDED_MASTER_SECRET].supports_ems_extension,
        f"ROBOT: {robot}": robot
        not in (RobotScanResultEnum.NOT_VULNERABLE_NO_ORACLE, RobotScanResultEnum.NOT_VULNERABLE_RSA_NOT_SUPPORTED),
    }.items():
        if is_found:
            findings.append(name)
    for finding in findings:
        print("finding:", finding)
    print("FAIL" if findings else "PASS", f"sslyze: {len(findings)} findings")
    sys.exit(bool(findings))


main(*sys.argv[1:4])
