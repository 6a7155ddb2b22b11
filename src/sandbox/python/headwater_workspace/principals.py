"""Who there is: users, groups and service principals, as minilake's SCIM service holds them."""

from __future__ import annotations

from typing import Any

from minilake.services import identity

# Before minilake's SCIM service is imported: it seeds its store with this user.
ADMIN = "admin@sandbox.local"
identity.USER_NAME = ADMIN
identity.USER_ID = "1000"
identity.DISPLAY_NAME = "Sandbox administrator"

from minilake.services import scim  # noqa: E402

ADMINS_GROUP = "admins"
EVERYONE = ("users", "account users")


def seed() -> None:
    """The two groups every workspace has; the token's user is an administrator."""
    groups = scim.get_state()["Groups"]
    names = {group.get("displayName") for group in groups.values()}
    for number, name in (("1001", ADMINS_GROUP), ("1002", "users")):
        if name not in names:
            members = [{"value": identity.USER_ID, "display": ADMIN}] if name == ADMINS_GROUP else []
            groups[number] = {
                "id": number,
                "displayName": name,
                "members": members,
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
            }


def _records(kind: str) -> list[dict[str, Any]]:
    return list(scim.get_state()[kind].values())


def service_principal(application_id: str) -> dict[str, Any] | None:
    """The service principal with this application id."""
    return next(
        (sp for sp in _records("ServicePrincipals") if sp.get("applicationId") == application_id), None
    )


def user(name: str) -> dict[str, Any] | None:
    """The user with this user name."""
    return next((one for one in _records("Users") if one.get("userName") == name), None)


def group(name: str) -> dict[str, Any] | None:
    """The group with this display name."""
    return next((one for one in _records("Groups") if one.get("displayName") == name), None)


def known(principal: str) -> bool:
    """Whether a grant or ACL may name this: a user name, a group's name or a service principal's application
    id.
    """
    return bool(
        principal in EVERYONE
        or user(principal)
        or group(principal)
        or service_principal(principal) is not None
    )


def names_of(principal: str) -> set[str]:
    """The principal itself and every group it is in, directly or through groups."""
    record = user(principal) or service_principal(principal)
    names = {principal, *EVERYONE}
    if record is None:
        return names
    ids = {record["id"]}
    grown = True
    while grown:
        grown = False
        for one in _records("Groups"):
            members = {str(member.get("value")) for member in one.get("members") or []}
            if one["id"] not in ids and members & ids:
                ids.add(one["id"])
                names.add(one["displayName"])
                grown = True
    return names


def is_admin(principal: str) -> bool:
    """Workspace administrators may do everything in the sandbox."""
    return ADMINS_GROUP in names_of(principal)
