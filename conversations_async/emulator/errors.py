"""What can be refused, and how does the refusal read?"""

from collections.abc import Mapping
from typing import Any, Final

#: code: (HTTP status, text). The texts of 20001, 20003, 20404, 50201, 50304, 50353, 50416 and 50433 have been
#: observed, and so have the statuses of these and of 50307, 50375, 50376, 50377, 50404, 50407 and 50441. The
#: others follow the title of their code.
CATALOGUE: Final[Mapping[int, tuple[int, str]]] = {
    20001: (400, "{}"),
    20003: (401, "{}"),
    20004: (405, "Method not allowed"),
    20007: (400, "Page size too large, the maximum is 1000"),
    20403: (403, "{}"),
    20404: (404, "The requested resource {} was not found"),
    20409: (409, "{}"),
    20413: (413, "Request entity too large"),
    20429: (429, "Too many requests"),
    20500: (500, "Internal server error"),
    20503: (503, "Service unavailable"),
    21481: (400, "Invalid PageToken"),
    50003: (400, "Friendly name too long"),
    50004: (400, "Unique name too long"),
    # The service is named by a parameter; 404 would speak of the path.
    50050: (400, "Service instance not found"),
    50052: (400, "Invalid consumption interval format"),
    50053: (400, "Invalid typing indicator format"),
    50054: (400, "Invalid webhook format"),
    50055: (400, "Invalid webhook method"),
    50056: (403, "Webhook refused the command"),
    50058: (400, "Notification template too long"),
    50059: (400, "Notification sound name too long"),
    50060: (400, "Invalid user channels limit format"),
    50061: (400, "Invalid channel members limit format"),
    50063: (429, "Actions per second limit exceeded"),
    50065: (400, "Invalid webhook retry count"),
    50100: (400, "Role not found"),
    50101: (400, "Channel role not found"),
    50102: (400, "Deployment role not found"),
    50104: (400, "Permission not found"),
    50105: (400, "Invalid role type"),
    50106: (400, "Channel creator role not found"),
    50109: (400, "Conversation role not found"),
    50200: (404, "User not found"),
    50201: (409, "User already exists"),
    50204: (400, "User identity not provided"),
    50206: (400, "Identity must not look like a user SID"),
    50207: (400, "Identity too long"),
    50209: (400, "Invalid binding type"),
    50210: (400, "Invalid notification level"),
    50212: (409, "User already invited"),
    50214: (400, "User conversation limit exceeded"),
    50303: (400, "Attributes too long"),
    50304: (400, "Attributes not valid JSON"),
    50306: (400, "Unique name must not look like a channel SID"),
    50307: (409, "Channel with provided unique name already exists"),
    50308: (400, "Invalid DateCreated format"),
    50309: (400, "Invalid DateUpdated format"),
    50310: (400, "Author parameter is too long"),
    50321: (400, "Too many channel webhooks"),
    50322: (400, "Too many channel webhook triggers"),
    50324: (400, "Invalid channel webhook type"),
    50325: (400, "Invalid channel webhook filter"),
    50326: (400, "Invalid channel webhook trigger"),
    50327: (400, "Invalid channel webhook flow SID"),
    50328: (400, "Channel webhook type not provided"),
    50329: (400, "Channel webhook URL not provided"),
    50330: (400, "Channel webhook filter not provided"),
    50331: (400, "Channel webhook trigger not provided"),
    50332: (400, "Channel webhook URL is too long"),
    50341: (400, "Invalid messaging service SID"),
    50353: (409, "Conversation with provided unique name already exists"),
    50361: (400, "Too many conversation webhooks"),
    50362: (400, "Too many conversation webhook triggers"),
    50364: (400, "Invalid conversation webhook type"),
    50365: (400, "Invalid conversation webhook filter"),
    50366: (400, "Invalid conversation webhook trigger"),
    50367: (400, "Invalid conversation webhook flow SID"),
    50368: (400, "Conversation webhook type not provided"),
    50369: (400, "Conversation webhook URL not provided"),
    50370: (400, "Conversation webhook filter not provided"),
    50371: (400, "Conversation webhook trigger not provided"),
    50372: (400, "Conversation webhook URL is too long"),
    50374: (400, "State parameter is empty"),
    50375: (400, "Timers.Inactive must be at least 1 minute"),
    50376: (400, "Timers.Closed must be at least 10 minutes"),
    50377: (400, "Conversation is in the final closed state and cannot be changed"),
    50378: (400, "State must be one of active, inactive, closed"),
    50379: (400, "Timers.Inactive is not an ISO 8601 duration"),
    50380: (400, "Timers.Closed is not an ISO 8601 duration"),
    50384: (400, "The initial state of a conversation cannot be closed"),
    50390: (400, "Unique name must not look like a conversation SID"),
    50393: (400, "Type must be private"),
    50404: (409, "Member already exists"),
    50405: (400, "Invalid last read timestamp"),
    50406: (400, "Invalid last consumed message index"),
    50407: (400, "Invalid messaging binding address"),
    50408: (400, "Invalid messaging binding proxy address"),
    50409: (400, "Participant address equals proxy address"),
    50411: (400, "Participant address is empty"),
    50412: (400, "Participant proxy address is empty"),
    50414: (400, "Participant address and proxy address are of different types"),
    50416: (409, "A binding for this participant and proxy address already exists in Conversation {}"),
    50417: (400, "Participants limit exceeded"),
    50418: (400, "Non-chat participants limit exceeded"),
    50421: (400, "Invalid last read message index"),
    50430: (400, "Participant is not a member of conversation"),
    50433: (409, "Participant already exists"),
    50434: (400, "Participant projected address is empty"),
    50440: (400, "The proxy address cannot be removed from this participant"),
    50441: (400, "The proxy address cannot be added to this participant"),
    50442: (400, "The projected address cannot be removed from this participant"),
    50443: (400, "The projected address cannot be added to this participant"),
    50444: (400, "The identity cannot be added to this participant"),
    50451: (400, "Use either Identity or MessagingBinding.Address, not both"),
    50504: (400, "Message body is too long"),
    50505: (400, "LastUpdatedBy parameter is too long"),
    50507: (400, "Media not found"),
    50508: (409, "Media already sent with another message"),
    50509: (400, "The body of a media message cannot be updated"),
    50510: (400, "Invalid media SID"),
    50511: (400, "Invalid media content type"),
    50513: (400, "The author must be a participant of the group MMS conversation"),
    50526: (400, "Invalid content SID"),
    50527: (400, "Invalid content variables format"),
    50528: (400, "Content SID is missing"),
    50529: (400, "Content variables are too long"),
    50530: (404, "Channel metadata not found"),
    50540: (400, "Content variable key is too long"),
    50541: (400, "Content variable value is too long"),
}


class RequestError(Exception):
    """A request that the API refuses; the code decides status and wording."""

    def __init__(self, code: int, *details: str) -> None:
        self.status, text = CATALOGUE[code]
        self.code = code
        self.message = text.format(*details)
        super().__init__(f"{self.status}/{code}: {self.message}")

    @property
    def body(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def missing(parameter: str) -> RequestError:
    """The refusal of a request that lacks a parameter."""
    return RequestError(20001, f"Missing required parameter {parameter} in the post body")


def malformed(parameter: str) -> RequestError:
    """The refusal of a value for which the API has no code of its own."""
    return RequestError(20001, f"Invalid value of parameter {parameter}")
