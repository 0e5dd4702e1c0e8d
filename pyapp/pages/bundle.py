"""The page `bundle.html`: the room through the strategy `bundle`."""

from demo.room_page import RoomPage

RoomPage("bundle").open()
