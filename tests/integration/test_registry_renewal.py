"""A certificate is renewed at half of its life, and not before, however short that is."""

import time


def test_short_certificate_is_renewed_at_its_half(lab):
    registry = lab.registry(certificate_ttl=20)
    token = lab.folder / "shop.token"
    token.touch(0o600)
    token.write_text(registry.join_token("shop")["token"], encoding="ascii")
    sidecar = lab.sidecar(
        "shop",
        {
            "instance": "shop",
            "trust_domain": registry.trust_domain,
            "state_dir": str(lab.folder / "shop-state"),
            "registry": {"address": registry.address, "join_token_file": str(token)},
        },
    )
    sidecar.wait_log("registry connected")
    time.sleep(4)
    assert not registry.log.find("certificate renewed")
    registry.wait_log("certificate renewed", timeout=20)
