"""Gives an account the rights in Kafka that Streamweir needs, for each pipeline named.

    python docs/examples/kafka_acls.py --principal User:streamweir ecommerce_fraud card_fraud

The cluster, and an account there that may give rights, are what STREAMWEIR_KAFKA_BOOTSTRAP and
STREAMWEIR_KAFKA_SECURITY say (docs/settings.md). Giving a right again changes nothing.
"""

import argparse
from contextlib import closing

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from streamweir.broker.clients import admin
from streamweir.connections import KafkaConnection

RIGHTS = {
    # Deleting records asks for the right to delete, too.
    ResourceType.TOPIC: ("CREATE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE", "DELETE"),
    ResourceType.TRANSACTIONAL_ID: ("DESCRIBE", "WRITE"),
}


def rights(principal: str, pipeline: str) -> list[ACL]:
    """All that is needed, on everything whose name begins with the pipeline's word and a dot."""
    return [
        ACL(
            principal,
            "*",
            ACLOperation[operation],
            ACLPermissionType.ALLOW,
            ResourcePattern(kind, f"{pipeline}.", ACLResourcePatternType.PREFIXED),
        )
        for kind, operations in RIGHTS.items()
        for operation in operations
    ]


def main() -> None:
    """Give the rights and say so; raises kafka-python's errors when the cluster refuses."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--principal", required=True, help="for example User:streamweir")
    parser.add_argument("pipelines", nargs="+", help="for example ecommerce_fraud")
    said = parser.parse_args()
    with closing(admin(KafkaConnection.from_env())) as client:
        for pipeline in said.pipelines:
            client.create_acls(rights(said.principal, pipeline))
            print(f"{said.principal} may work on everything that begins with {pipeline}.")


if __name__ == "__main__":
    main()
