"""What differs between hosts, in words; what is recorded of it, and what an unreachable host is: not compared."""

import json
from dataclasses import replace

import pytest

from nvkeep.checks import consistency
from nvkeep.config import parsing
from nvkeep.host import Completed
from nvkeep.host.ssh import OPTIONS
from nvkeep.model.consistency import AS_GENERATED, CODE, MISSING, UNREADABLE, Compared, Difference, comparable, compare, digest
from nvkeep.model.spec import Cluster
from tests.unit.played import Played

TEXT = """\
cluster: trio
hosts:
  srv-a: {heartbeats: [{interface: eth0, address: 10.0.0.1}]}
  srv-b: {heartbeats: [{interface: eth0, address: 10.0.0.2}]}
  srv-c: {heartbeats: [{interface: eth0, address: 10.0.0.3}]}
services:
  nfs:
    hosts: [srv-a, srv-b]
    volumes: [{name: one, backend: image, file: /x/one}]
    agree: [/etc/exports]
  web:
    hosts: [srv-b, srv-a]
    volumes: [{name: two, backend: image, file: /x/two}]
"""
CLUSTER: Cluster = parsing.parse(TEXT)
SAME = {CODE: "code-a",
        "cluster.yaml": "1", "nvkeep": "0.1.0", "keepalived": "2.2", "keepalived.conf": AS_GENERATED, "/etc/exports": "2",
        "nvme version": "nvme version 2.3"}  # fmt: skip
SSH = ("ssh", *OPTIONS, "--", "srv-b", "nvkeep agreement --json")
YAML = "/etc/nvkeep/cluster.yaml"
LOSETUP = ("losetup", "--version")
CAT = ("cat", "--", "/etc/exports")


@pytest.mark.parametrize(
    ("part", "theirs", "services", "text"),
    [
        ("cluster.yaml", "9", ("nfs", "web"), f"{YAML} differs between srv-a and srv-b; ssh srv-b cat {YAML} | diff {YAML} -"),
        ("/etc/exports", "9", ("nfs",),
         "/etc/exports differs between srv-a and srv-b; ssh srv-b cat /etc/exports | diff /etc/exports -"),
        ("/etc/exports", MISSING, ("nfs",),
         "/etc/exports is missing on srv-b, and is there on srv-a; ssh srv-a cat /etc/exports"),
        ("/etc/exports", f"{UNREADABLE}: Is a directory", ("nfs",),
         "/etc/exports on srv-b cannot be read: Is a directory; ssh srv-b ls -l /etc/exports"),
        ("nvkeep", "0.2.0", ("nfs", "web"),
         "nvkeep differs: 0.1.0 on srv-a, 0.2.0 on srv-b; ssh srv-b nvkeep --version"),
        (CODE, "code-b", ("nfs", "web"),
         "nvkeep's code differs: code-a on srv-a, code-b on srv-b; ssh srv-b readlink /usr/lib/nvkeep/current"),
        ("keepalived", "2.3", ("nfs", "web"), "keepalived differs: 2.2 on srv-a, 2.3 on srv-b; ssh srv-b keepalived --version"),
        ("nvme version", "missing", ("nfs", "web"),
         "nvme differs: nvme version 2.3 on srv-a, missing on srv-b; ssh srv-b nvme version"),
        ("keepalived.conf", "line 3 says so", ("nfs", "web"),
         "keepalived's configuration on srv-b is not as generated; ssh srv-b nvkeep keepalived --check"),
    ],
)  # fmt: skip
def test_what_differs_is_named_with_the_command_that_shows_it(
    part: str, theirs: str, services: tuple[str, ...], text: str
) -> None:
    assert compare(CLUSTER, "srv-a", SAME, "srv-b", SAME | {part: theirs}) == (Difference(services, text),)


def test_equal_hosts_agree_and_what_only_one_speaks_of_is_not_compared() -> None:
    assert compare(CLUSTER, "srv-a", SAME, "srv-b", SAME) == ()
    assert compare(CLUSTER, "srv-a", SAME | {"/etc/more": "1"}, "srv-b", SAME | {"drbdadm --version": "9"}) == ()


def test_what_this_host_has_not_as_generated_is_its_own_affair() -> None:
    assert compare(CLUSTER, "srv-a", SAME | {"keepalived.conf": "drift"}, "srv-b", SAME) == ()


def test_hosts_without_a_common_service_have_nothing_to_agree_on() -> None:
    assert compare(CLUSTER, "srv-a", SAME, "srv-c", SAME | {"nvkeep": "9"}) == ()


def test_a_path_with_a_blank_can_be_typed() -> None:
    spec = replace(CLUSTER.services["nfs"], agree=("/etc/a b",))
    odd = replace(CLUSTER, services={"nfs": spec})
    (one,) = compare(odd, "srv-a", {"/etc/a b": "1"}, "srv-b", {"/etc/a b": "2"})
    assert one.text.endswith("ssh srv-b cat '/etc/a b' | diff '/etc/a b' -")


def answering(code: int = 0, out: str = "", err: str = "") -> Played:
    version = Completed(LOSETUP, 0, "losetup from util-linux 2.38\n", "")
    exports = Completed(CAT, 0, "x\n", "")
    return Played(said={SSH: Completed(SSH, code, out, err), LOSETUP: version, CAT: exports})


def theirs(**changes: str) -> str:
    """Give what srv-b would say, by what srv-a has."""
    return json.dumps({"host": "srv-b", "parts": consistency.parts(answering(), CLUSTER) | {  # type: ignore[arg-type]  # as above
        "keepalived.conf": AS_GENERATED, **changes}})  # fmt: skip


def test_parts_are_digests_and_versions() -> None:
    found = consistency.parts(answering(), CLUSTER)  # type: ignore[arg-type]  # as above
    assert found["/etc/exports"] == digest("x\n")
    assert set(found) == {"cluster.yaml", "nvkeep", "keepalived", "keepalived.conf", "/etc/exports", "losetup --version"}
    again = parsing.parse(TEXT.replace("cluster: trio\n", "# a comment\ncluster: trio\n"))
    assert consistency.parts(answering(), again)["cluster.yaml"] == found["cluster.yaml"]  # type: ignore[arg-type]  # as above


def test_an_outcome_is_recorded_and_read_again() -> None:
    host = answering(out=theirs(**{"/etc/exports": "other"}))
    outcome = consistency.renew(host, CLUSTER)  # type: ignore[arg-type]  # as above
    assert consistency.read(host) == outcome  # type: ignore[arg-type]  # as above
    assert [one.partition(";")[0] for one in consistency.disagreements(host)] == [  # type: ignore[arg-type]  # as above
        "/etc/exports differs between srv-a and srv-b"
    ]
    assert consistency.disagreements(host, "web") == []  # type: ignore[arg-type]  # as above
    assert consistency.uncompared(host, CLUSTER, "nfs") == []  # type: ignore[arg-type]  # as above


def test_a_host_that_cannot_be_reached_is_not_compared_since() -> None:
    host = answering(out=theirs())
    consistency.renew(host, CLUSTER)  # type: ignore[arg-type]  # as above
    host.said[SSH] = Completed(SSH, 255, "", "ssh: connect to host srv-b port 22: Connection refused\n")
    host.clock += 70
    consistency.renew(host, CLUSTER)  # type: ignore[arg-type]  # as above
    assert consistency.disagreements(host) == []  # type: ignore[arg-type]  # as above
    (said,) = consistency.uncompared(host, CLUSTER, "nfs")  # type: ignore[arg-type]  # as above
    assert said.startswith("not compared with srv-b for 70 s: cannot reach srv-b over ssh: ssh: connect to host")


def test_what_differed_goes_on_to_while_a_host_cannot_be_reached() -> None:
    host = answering(out=theirs(nvkeep="9.9"))
    consistency.renew(host, CLUSTER)  # type: ignore[arg-type]  # as above
    before = consistency.disagreements(host)  # type: ignore[arg-type]  # as above
    host.said[SSH] = Completed(SSH, 255, "", "ssh: connect to host srv-b port 22: Connection refused\n")
    consistency.renew(host, CLUSTER)  # type: ignore[arg-type]  # as above
    assert consistency.disagreements(host) == before != []  # type: ignore[arg-type]  # as above


def test_a_host_that_gives_no_answer_is_a_disagreement() -> None:
    host = answering(2, err="usage: nvkeep\nnvkeep: error: no command agreement\n")
    consistency.renew(host, CLUSTER)  # type: ignore[arg-type]  # as above
    (said,) = consistency.disagreements(host)  # type: ignore[arg-type]  # as above
    assert said == (
        "cannot compare with srv-b: `nvkeep agreement --json` ended there with 2: nvkeep: error: no command agreement; "
        "ssh srv-b nvkeep agreement"
    )


@pytest.mark.parametrize(
    "text", ["", "[]", '{"boot": "another", "peers": {"srv-b": {}}}', '{"boot": "boot", "peers": {"b": {}}}']
)
def test_a_record_that_is_none_of_this_boot_is_none(text: str) -> None:
    host = Played(files={consistency.RECORD: text})
    assert consistency.read(host) == {}  # type: ignore[arg-type]  # as above


def test_a_record_that_nobody_renews_is_said() -> None:
    host = answering(out=theirs())
    consistency.renew(host, CLUSTER)  # type: ignore[arg-type]  # as above
    host.clock += 7 * 3600
    assert consistency.uncompared(host, CLUSTER, "nfs") == [  # type: ignore[arg-type]  # as above
        "not compared with srv-b for 25200 s; systemctl status nvkeep"
    ]
    assert consistency.not_compared(host, "srv-b", Compared(unreached="no route")) == (  # type: ignore[arg-type]  # as above
        "not compared with srv-b in this boot: no route"
    )


def test_keys_that_came_later_are_compared_only_where_they_are_used() -> None:
    said = comparable(CLUSTER)
    assert not {"notify", "report"} & json.loads(said).keys()
    assert not {"mode", "rto"} & json.loads(said)["services"]["nfs"].keys()
    assert comparable(replace(CLUSTER, report="/srv/www/index.html")) != said
    observed = replace(CLUSTER.services["nfs"], mode="observe")
    assert comparable(replace(CLUSTER, services=CLUSTER.services | {"nfs": observed})) != said
