"""A certificate is renewed at half of its life, and not before, however short that is."""

TTL = 20


def test_short_certificate_is_renewed_at_its_half(lab):
    registry = lab.registry(certificate_ttl=TTL)
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
    begin = sidecar.wait_log("certificate in use").time
    renewed = registry.wait_log("certificate renewed", timeout=TTL).time
    # Half of its life, a tenth of it sooner or later; the clock of certificates has whole seconds.
    assert (renewed - begin).total_seconds() > TTL / 4
