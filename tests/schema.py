"""Holds a document against its JSON schema. What does it takes seconds to import, which tests that need none do not
wait for."""


def validate(document, schema: dict) -> None:
    import jsonschema

    jsonschema.validate(document, schema)


def is_schema(schema: dict) -> None:
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(schema)
